//! What `#[process]` knows about an impl block.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{ItemImpl, Type, spanned::Spanned as _};

use crate::paths::Paths;

/// A function that a block may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    OnRecord,
    OnTimer,
    OnEnd,
    Open,
    Close,
    OnSnapshot,
    OnComplete,
    OnAbort,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::OnRecord,
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
            Self::OnTimer => "on_timer",
            Self::OnEnd => "on_end",
            Self::Open => "open",
            Self::Close => "close",
            Self::OnSnapshot => "on_snapshot",
            Self::OnComplete => "on_complete",
            Self::OnAbort => "on_abort",
        }
    }

    /// A signature to copy from.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::OnRecord => {
                "fn on_record(&mut self, trade: TradeView<'_>, state: &mut StateOf<Session>, cx: &mut KeyedContext<'_, Key, Out>)"
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

/// An annotated impl block.
pub(crate) struct Process {
    pub(crate) paths: Paths,
    /// With the types of state and context completed; without the functions that are not understood, if there are any.
    pub(crate) block: ItemImpl,
    /// What is understood of the functions.
    pub(crate) functions: Vec<Function>,
    /// True if one is not understood.
    pub(crate) mistaken: bool,
}

/// A function, as far as its signature goes.
pub(crate) struct Function {
    pub(crate) kind: Kind,
    /// True if it takes `self`.
    pub(crate) on_self: bool,
    /// The type of its first parameter, of `on_record` the view of a record.
    pub(crate) first: Option<Type>,
    /// What it takes for state.
    pub(crate) state: Option<Type>,
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

impl Process {
    pub(crate) fn function(&self, kind: Kind) -> Option<&Function> {
        self.functions.iter().find(|function| function.kind == kind)
    }

    /// The context of the functions; of the first that has one.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.functions.iter().find_map(|function| function.context.as_ref())
    }

    /// The state that the functions share.
    pub(crate) fn state(&self) -> Option<&Type> {
        self.functions.iter().find_map(|function| function.state.as_ref())
    }
}
