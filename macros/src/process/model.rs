//! What `#[process]` knows about an impl block.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{ItemImpl, Type, spanned::Spanned as _};

use crate::paths::Paths;

/// A function that a block may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    OnRecord,
    OnLeft,
    OnRight,
    OnTimer,
    OnEnd,
    Open,
    Close,
    OnSnapshot,
    OnComplete,
    OnAbort,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::OnRecord,
        Self::OnLeft,
        Self::OnRight,
        Self::OnTimer,
        Self::OnEnd,
        Self::Open,
        Self::Close,
        Self::OnSnapshot,
        Self::OnComplete,
        Self::OnAbort,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OnRecord => "on_record",
            Self::OnLeft => "on_left",
            Self::OnRight => "on_right",
            Self::OnTimer => "on_timer",
            Self::OnEnd => "on_end",
            Self::Open => "open",
            Self::Close => "close",
            Self::OnSnapshot => "on_snapshot",
            Self::OnComplete => "on_complete",
            Self::OnAbort => "on_abort",
        }
    }

    /// True of what takes records.
    pub(crate) fn takes_records(self) -> bool {
        matches!(self, Self::OnRecord | Self::OnLeft | Self::OnRight)
    }

    /// A signature to copy from.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::OnRecord => {
                "fn on_record(&mut self, trade: TradeView<'_>, state: &mut StateOf<Session>, cx: &mut KeyedContext<'_, Key, Out>)"
            }
            Self::OnLeft => {
                "fn on_left(&mut self, order: OrderView<'_>, state: &mut StateOf<Open>, cx: &mut KeyedContext<'_, Key, Out>)"
            }
            Self::OnRight => {
                "fn on_right(&mut self, payment: PaymentView<'_>, state: &mut StateOf<Open>, cx: &mut KeyedContext<'_, Key, Out>)"
            }
            Self::OnTimer => {
                "fn on_timer(&mut self, timer: Timer, state: &mut StateOf<Session>, cx: &mut KeyedContext<'_, Key, Out>)"
            }
            Self::OnEnd => "fn on_end(&mut self, state: &mut Batch, cx: &mut Context<'_, Out>)",
            Self::Open => "fn open(&mut self, cx: &OpenContext<'_>)",
            Self::Close => "fn close(&mut self)",
            Self::OnSnapshot => "fn on_snapshot(&mut self, checkpoint: u64)",
            Self::OnComplete => "fn on_complete(&mut self, checkpoint: u64)",
            Self::OnAbort => "fn on_abort(&mut self, checkpoint: u64)",
        }
    }
}

/// Signatures to copy from, of a function with broadcast state.
pub(crate) const ON_LEFT_OF_BROADCAST: &str = "fn on_left(&mut self, payment: PaymentView<'_>, state: &mut StateOf<Card>, rules: &Rules, cx: &mut KeyedContext<'_, Key, Out>)";
pub(crate) const ON_RIGHT_OF_BROADCAST: &str =
    "fn on_right(&mut self, rule: RuleView<'_>, rules: &mut Rules, cx: &mut Context<'_, Out>)";
pub(crate) const ON_TIMER_OF_BROADCAST: &str = "fn on_timer(&mut self, timer: Timer, state: &mut StateOf<Card>, rules: &Rules, cx: &mut KeyedContext<'_, Key, Out>)";

/// An annotated impl block.
pub(crate) struct Process {
    pub(crate) paths: Paths,
    /// With the types of state and context completed; without the functions that are not understood, if there are any.
    pub(crate) block: ItemImpl,
    /// What is understood of the functions.
    pub(crate) functions: Vec<Function>,
    /// True if one is not understood.
    pub(crate) mistaken: bool,
    /// True if its `on_left` works for a key, and its `on_right` on what every subtask gets.
    pub(crate) broadcasts: bool,
}

/// A function, as far as its signature goes.
pub(crate) struct Function {
    pub(crate) kind: Kind,
    /// True if it takes `self`.
    pub(crate) on_self: bool,
    /// The type of its first parameter, of `on_record`, `on_left` and `on_right` the view of a record.
    pub(crate) first: Option<Type>,
    /// What it takes for state.
    pub(crate) state: Option<Type>,
    /// What it takes for broadcast state.
    pub(crate) broadcast: Option<Type>,
    pub(crate) context: Option<Context>,
    /// Its error type, if it returns a `Result`.
    pub(crate) error: Option<Type>,
}

/// The types of a context.
#[derive(Clone, PartialEq)]
pub(crate) struct Context {
    /// `None` without key.
    pub(crate) key: Option<Type>,
    pub(crate) out: Type,
    /// Its side outputs.
    pub(crate) sides: Vec<Type>,
}

impl Context {
    /// The side outputs as the type of a list: `(Side<Alerts>, (Side<Late>, ()))`.
    pub(crate) fn list(&self, paths: &Paths) -> TokenStream {
        self.sides.iter().rev().fold(quote!(()), |rest, side| {
            let module = paths.process_at(side.span());
            quote_spanned!(side.span()=> (#module::Side<#side>, #rest))
        })
    }
}

/// What takes records.
#[derive(Clone, Copy)]
pub(crate) enum Takers<'p> {
    /// `on_record`.
    One(&'p Function),
    /// `on_left` and `on_right`.
    Two(&'p Function, &'p Function),
}

impl<'p> Takers<'p> {
    /// Why records may be rejected, if they may.
    pub(crate) fn error(self) -> Option<&'p Type> {
        match self {
            Self::One(function) => function.error.as_ref(),
            Self::Two(left, right) => left.error.as_ref().or(right.error.as_ref()),
        }
    }
}

impl Process {
    pub(crate) fn function(&self, kind: Kind) -> Option<&Function> {
        self.functions.iter().find(|function| function.kind == kind)
    }

    /// The functions that take records, if all are there: `on_record`, or `on_left` and `on_right`.
    pub(crate) fn takers(&self) -> Option<Takers<'_>> {
        match (self.function(Kind::OnRecord), self.function(Kind::OnLeft), self.function(Kind::OnRight)) {
            (Some(on_record), None, None) => Some(Takers::One(on_record)),
            (None, Some(on_left), Some(on_right)) => Some(Takers::Two(on_left, on_right)),
            _ => None,
        }
    }

    /// The context of the functions; of the first that has one, and with broadcast state of the first that works for a key.
    pub(crate) fn context(&self) -> Option<&Context> {
        let mut of_key = self.functions.iter().filter(|function| !self.broadcasts || function.kind != Kind::OnRight);
        of_key.find_map(|function| function.context.as_ref())
    }

    /// The broadcast state: that which `on_right` writes, or else another function reads.
    pub(crate) fn broadcast(&self) -> Option<&Type> {
        let written = self.function(Kind::OnRight).and_then(|function| function.broadcast.as_ref());
        written.or_else(|| self.functions.iter().find_map(|function| function.broadcast.as_ref()))
    }

    /// The state that the functions share.
    pub(crate) fn state(&self) -> Option<&Type> {
        self.functions.iter().find_map(|function| function.state.as_ref())
    }
}
