//! `#[state(ttl = "1h", update = "read", visibility = "expired")]`: how long a state lives.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{LitStr, Path};

use crate::{durations::millis, errors::Errors, options::once};

/// How a state is taken out of what is said of the struct.
const NONE: &str = "none";

/// What an attribute says.
#[derive(Default)]
pub(super) struct Options {
    pub(super) krate: Option<Path>,
    pub(super) name: Option<LitStr>,
    ttl: Option<LitStr>,
    update: Option<LitStr>,
    visibility: Option<LitStr>,
}

/// How long a state lives, as it was said.
#[derive(Clone)]
pub(crate) struct Ttl {
    pub(super) span: Span,
    millis: u64,
    on_read: bool,
    shows_over: bool,
}

/// What was said of a time to live.
pub(super) enum Said {
    Nothing,
    /// That there is none.
    None,
    Ttl(Ttl),
}

impl Options {
    /// Takes an option that both structs and fields have; false if it is another one.
    pub(super) fn take(&mut self, meta: &syn::meta::ParseNestedMeta<'_>) -> syn::Result<bool> {
        for (name, place) in
            [("ttl", &mut self.ttl), ("update", &mut self.update), ("visibility", &mut self.visibility)]
        {
            if meta.path.is_ident(name) {
                once(meta, place, meta.value()?.parse()?)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is said of a time to live.
    pub(super) fn ttl(&self, errors: &mut Errors) -> Said {
        let Some(ttl) = &self.ttl else {
            if let Some(other) = self.update.as_ref().or(self.visibility.as_ref()) {
                errors.on(other, "this says how a time to live is gone about, and there is none: add `ttl = \"1h\"`");
            }
            return Said::Nothing;
        };
        if ttl.value() == NONE {
            return Said::None;
        }
        let millis = millis(&ttl.value()).unwrap_or_else(|| {
            errors.on(
                ttl,
                "a time to live is a whole number with a unit (ms, s, min, h, d), from `1ms` to `36500d`; or `none`",
            );
            1
        });
        let word = |said: &Option<LitStr>, words: [&str; 2], what: &str, errors: &mut Errors| {
            let Some(said) = said else { return false };
            let known = words.iter().position(|word| *word == said.value());
            if known.is_none() {
                errors.on(said, what);
            }
            known == Some(1)
        };
        let on_read = word(
            &self.update,
            ["write", "read"],
            "what is used lives on: `update = \"write\"` (making and writing, the default) or `update = \"read\"` (reading, too)",
            errors,
        );
        let shows_over = word(
            &self.visibility,
            ["live", "expired"],
            "what is read: `visibility = \"live\"` (never what has expired, the default) or `visibility = \"expired\"` (that, too, until it is removed)",
            errors,
        );
        Said::Ttl(Ttl { span: ttl.span(), millis, on_read, shows_over })
    }
}

impl Ttl {
    /// As arguments, of `Ttl::new` or of `Expiring`.
    pub(super) fn arguments(&self) -> TokenStream {
        let Self { millis, on_read, shows_over, .. } = self;
        quote!(#millis, #on_read, #shows_over)
    }
}
