//! What the attributes know about an async function.

use syn::{Attribute, ItemFn, LitStr, Path, Type};

use crate::paths::Paths;

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Map,
    Filter,
    FlatMap,
    Sink,
    /// `#[map(blocking)]`: the function is not async, and runs on a thread of its own.
    BlockingMap,
    BlockingFilter,
    BlockingFlatMap,
}

impl Kind {
    /// The attribute's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Map => "async_map",
            Self::Filter => "async_filter",
            Self::FlatMap => "async_flat_map",
            Self::Sink => "async_sink",
            Self::BlockingMap => "map(blocking)",
            Self::BlockingFilter => "filter(blocking)",
            Self::BlockingFlatMap => "flat_map(blocking)",
        }
    }

    /// The kind of the operator.
    pub(super) fn operator(self) -> &'static str {
        self.name().trim_end_matches("(blocking)")
    }

    /// True if calls block a thread.
    pub(super) fn blocks(self) -> bool {
        matches!(self, Self::BlockingMap | Self::BlockingFilter | Self::BlockingFlatMap)
    }

    /// The same without that.
    pub(super) fn plain(self) -> Self {
        match self {
            Self::BlockingMap => Self::Map,
            Self::BlockingFilter => Self::Filter,
            Self::BlockingFlatMap => Self::FlatMap,
            other => other,
        }
    }

    /// A signature to copy from.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Map => "#[async_map] async fn priced(desk: &Desk, trade: Trade) -> Result<Trade, DeskError>",
            Self::Filter => {
                "#[async_filter] async fn is_known(users: &Users, login: &Login) -> Result<bool, UsersError>"
            }
            Self::BlockingMap => "#[map(blocking)] fn shrunk(image: Image) -> Result<Image, ImageError>",
            Self::BlockingFilter => "#[filter(blocking)] fn is_known(users: &mut Users, login: &Login) -> bool",
            Self::BlockingFlatMap => "#[flat_map(blocking)] fn parts(stock: &mut Stock, order: Order) -> Vec<Part>",
            Self::Sink => "#[async_sink] async fn stored(db: &Db, row: Row) -> Result<(), DbError>",
            Self::FlatMap => {
                "#[async_flat_map] async fn parts(stock: &Stock, order: Order) -> Result<Vec<Part>, StockError>"
            }
        }
    }
}

/// In which order answers are put out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Order {
    #[default]
    Ordered,
    Unordered,
    ByKey,
}

/// How a call is made again.
pub(super) enum Retry {
    Fixed { times: u32, millis: u64 },
    Exponential { times: u32, millis: Option<u64>, limit: Option<u64> },
}

/// How a batch is formed.
pub(super) struct Batch {
    pub(super) max: usize,
    pub(super) linger: u64,
}

/// What stands in the attribute's parentheses.
#[derive(Default)]
pub(super) struct Options {
    pub(super) paths: Paths,
    pub(super) capacity: Option<usize>,
    pub(super) order: Order,
    pub(super) timeout: Option<u64>,
    pub(super) attempt_timeout: Option<u64>,
    pub(super) fallback: Option<Path>,
    /// As it is written.
    pub(super) retry_text: Option<LitStr>,
    pub(super) retry: Option<Retry>,
    pub(super) retry_if: Option<Path>,
    pub(super) retry_answer_if: Option<Path>,
    pub(super) cache: Option<usize>,
    pub(super) cache_ttl: Option<u64>,
    pub(super) rate: Option<f64>,
    pub(super) batch: Option<Batch>,
    /// Of a sink: what is written again takes the place of what was there.
    pub(super) idempotent: bool,
}

/// How the function takes its record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// `trade: Trade`
    Owned,
    /// `trade: &Trade`
    Borrowed,
    /// `trade: TradeView<'_>`
    View,
}

/// The parameter for the record, or for a batch of them.
pub(super) struct Input {
    /// As it is written; of a batch, what it is of.
    pub(super) ty: Type,
    pub(super) taken: Taken,
}

/// What the function gives for a record.
pub(super) struct Output {
    /// The answer: `Trade`, `bool`, `Vec<Part>`.
    pub(super) answer: Type,
    /// What is put out: `Trade`, `Part`; of a filter its input.
    pub(super) record: Option<Type>,
    /// The error, if it can fail.
    pub(super) error: Option<Type>,
    /// Of a batch: the whole call may fail.
    pub(super) fails_as_a_whole: bool,
    /// Of a batch: each record may fail.
    pub(super) fails_one_by_one: bool,
}

/// An annotated async function.
pub(super) struct Function {
    pub(super) kind: Kind,
    pub(super) options: Options,
    pub(super) item: ItemFn,
    pub(super) docs: Vec<Attribute>,
    /// What its subtask opens, if its first parameter is that.
    pub(super) client: Option<Type>,
    /// That parameter, if it is `&mut`.
    pub(super) client_mut: Option<Type>,
    pub(super) input: Option<Input>,
    /// True if it wants the record's time.
    pub(super) timed: bool,
    /// `None` if it cannot be told from the return type.
    pub(super) output: Option<Output>,
}
