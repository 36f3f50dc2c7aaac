//! Reads what stands in the parentheses of an attribute: `#[async_map(capacity = 64, order = "unordered")]`.

use proc_macro2::TokenStream;
use syn::{LitFloat, LitInt, LitStr, Path, meta, parse::Parser as _};

use super::model::{Batch, Kind, Options, Order, Retry};
use crate::{durations::millis, errors::Errors, options::once, paths::Paths};

/// The most calls that may be in flight; the runtime has the same bound.
const LIMIT_CAPACITY: usize = 1 << 20;
const A_DURATION: &str = "a duration is a whole number with a unit (ms, s, min, h, d), as in `\"2s\"`";

/// As they are written.
#[derive(Default)]
struct Said {
    capacity: Option<LitInt>,
    order: Option<LitStr>,
    timeout: Option<LitStr>,
    attempt_timeout: Option<LitStr>,
    fallback: Option<Path>,
    retry: Option<LitStr>,
    retry_if: Option<Path>,
    retry_answer_if: Option<Path>,
    cache: Option<LitInt>,
    cache_ttl: Option<LitStr>,
    rate: Option<(f64, proc_macro2::Span)>,
    max_batch: Option<LitInt>,
    linger: Option<LitStr>,
    idempotent: bool,
    krate: Option<Path>,
}

/// Reads the options of the attribute.
pub(super) fn parse(kind: Kind, arguments: TokenStream, errors: &mut Errors) -> Options {
    let mut said = Said::default();
    let parser = meta::parser(|meta| said.take(kind, &meta));
    if let Err(error) = parser.parse2(arguments) {
        errors.push(error);
    }
    said.read(errors)
}

impl Said {
    fn take(&mut self, kind: Kind, meta: &meta::ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match name.as_str() {
            "capacity" if !kind.blocks() => once(
                meta,
                &mut self.capacity,
                value(
                    meta,
                    "a number of calls, as in `capacity = 64`; what is known only when the job is written down goes behind it: `priced(open).capacity(args.capacity)`",
                )?,
            ),
            "order" => once(meta, &mut self.order, value(meta, "`order = \"ordered\"`, `\"unordered\"` or `\"key\"`")?),
            "timeout" => once(meta, &mut self.timeout, value(meta, A_DURATION)?),
            "attempt_timeout" => once(meta, &mut self.attempt_timeout, value(meta, A_DURATION)?),
            "fallback" => once(meta, &mut self.fallback, meta.value()?.call(Path::parse_mod_style)?),
            "retry" => once(
                meta,
                &mut self.retry,
                value(meta, "`retry = \"fixed(3, 50ms)\"` or `retry = \"exponential(3)\"`")?,
            ),
            "retry_if" => once(meta, &mut self.retry_if, meta.value()?.call(Path::parse_mod_style)?),
            "retry_answer_if" => once(meta, &mut self.retry_answer_if, meta.value()?.call(Path::parse_mod_style)?),
            "cache" => once(meta, &mut self.cache, value(meta, "a number of answers, as in `cache = 10_000`")?),
            "cache_ttl" => once(meta, &mut self.cache_ttl, value(meta, A_DURATION)?),
            "rate" => once(meta, &mut self.rate, rate(meta)?),
            "max_batch" => {
                once(meta, &mut self.max_batch, value(meta, "a number of records, as in `max_batch = 100`")?)
            }
            "linger" => once(meta, &mut self.linger, value(meta, A_DURATION)?),
            "blocking" if kind.blocks() => Ok(()),
            "clients" if kind.blocks() => once(
                meta,
                &mut self.capacity,
                value(
                    meta,
                    "a number of clients, as in `clients = 4`; what is known only when the job is written down goes behind it: `shrunk(open).capacity(args.clients)`",
                )?,
            ),
            "idempotent" if kind == Kind::Sink => {
                self.idempotent = true;
                Ok(())
            }
            "crate" => once(meta, &mut self.krate, meta.value()?.call(Path::parse_mod_style)?),
            _ => {
                let own = match kind {
                    _ if kind.blocks() => "`clients`",
                    Kind::Sink => "`idempotent`, `capacity`",
                    _ => "`capacity`",
                };
                Err(meta.error(format!(
                    "`#[{}]` has no such option: there are {own}, `order`, `timeout`, `attempt_timeout`, `fallback`, `retry`, `retry_if`, `retry_answer_if`, `cache`, `cache_ttl`, `rate`, `max_batch`, `linger` and `crate`",
                    kind.name()
                )))
            }
        }
    }

    fn read(self, errors: &mut Errors) -> Options {
        let batch = self.max_batch.as_ref().map(|max| Batch {
            max: number(
                max,
                1 << 20,
                "a batch of 0 records asks for nothing: say how many records a call takes at most, from 1 to 1048576",
                errors,
            ),
            linger: self.linger.as_ref().map_or(0, |linger| duration(linger, errors)),
        });
        if let (None, Some(linger)) = (&batch, &self.linger) {
            errors.on(
                linger,
                "only a batch waits for further records, and there is none: add `max_batch = 100`, or remove `linger`",
            );
        }
        let retry = self.retry.as_ref().and_then(|text| retry(text, errors));
        if let (None, Some(path)) = (&self.retry, self.retry_if.as_ref().or(self.retry_answer_if.as_ref())) {
            errors.on(path, "this says when a call is made again, and none is: add `retry = \"exponential(3)\"`");
        }
        if let (None, None, Some(path)) = (&self.timeout, &self.attempt_timeout, &self.fallback) {
            errors.on(path, "a fallback is for calls that are not answered in time, and they have all the time there is: add `timeout = \"2s\"`");
        }
        if let (None, Some(ttl)) = (&self.cache, &self.cache_ttl) {
            errors.on(ttl, "this says how long answers are kept, and none are: add `cache = 10_000`");
        }
        let order = self.order.as_ref().map_or(Order::Ordered, |text| order(text, errors));
        if order == Order::ByKey
            && let Some(max) = &self.max_batch
        {
            errors.on(max, "calls for one key are made one after the other, so a call is for one record: remove `max_batch`, or choose another `order`");
        }
        if let Some((rate, span)) = self.rate
            && !(rate > 0.0 && rate.is_finite())
        {
            errors.at(span, "a rate of 0 lets no call begin: say how many calls are made in a second at most, or leave the rate out");
        }
        Options {
            paths: self.krate.map_or_else(Paths::default, Paths::new),
            capacity: self.capacity.as_ref().map(|capacity| {
                number(
                    capacity,
                    LIMIT_CAPACITY,
                    "a capacity of 0 lets no call begin: say how many calls may be in flight, from 1 to 1048576",
                    errors,
                )
            }),
            order,
            timeout: self.timeout.as_ref().map(|timeout| duration(timeout, errors)),
            attempt_timeout: self.attempt_timeout.as_ref().map(|timeout| duration(timeout, errors)),
            fallback: self.fallback,
            retry,
            retry_text: self.retry,
            retry_if: self.retry_if,
            retry_answer_if: self.retry_answer_if,
            cache: self.cache.as_ref().map(|entries| {
                number(
                    entries,
                    usize::MAX,
                    "a cache of 0 entries keeps nothing: say how many answers are kept, or leave the cache out",
                    errors,
                )
            }),
            cache_ttl: self.cache_ttl.as_ref().map(|ttl| duration(ttl, errors)),
            rate: self.rate.map(|(rate, _)| rate),
            batch,
            idempotent: self.idempotent,
        }
    }
}

/// A literal of one kind, or what would be one.
fn value<T: syn::parse::Parse>(meta: &meta::ParseNestedMeta<'_>, wanted: &str) -> syn::Result<T> {
    let value = meta.value()?;
    let span = value.span();
    value.parse().map_err(|_| syn::Error::new(span, format!("this is {wanted}")))
}

fn rate(meta: &meta::ParseNestedMeta<'_>) -> syn::Result<(f64, proc_macro2::Span)> {
    let value = meta.value()?;
    let span = value.span();
    let number = match value.parse::<LitInt>() {
        Ok(whole) => whole.base10_parse(),
        Err(_) => value.parse::<LitFloat>().and_then(|float| float.base10_parse()),
    };
    let number = number.map_err(|_| syn::Error::new(span, "this is a number of calls a second, as in `rate = 500`"))?;
    Ok((number, span))
}

fn number(literal: &LitInt, limit: usize, wrong: &str, errors: &mut Errors) -> usize {
    match literal.base10_parse::<usize>() {
        Ok(number) if (1..=limit).contains(&number) => number,
        _ => {
            errors.on(literal, wrong);
            1
        }
    }
}

fn duration(literal: &LitStr, errors: &mut Errors) -> u64 {
    millis(&literal.value()).unwrap_or_else(|| {
        errors.on(literal, format!("this is no duration: {A_DURATION}"));
        1
    })
}

fn order(literal: &LitStr, errors: &mut Errors) -> Order {
    match literal.value().as_str() {
        "ordered" => Order::Ordered,
        "unordered" => Order::Unordered,
        "key" => Order::ByKey,
        _ => {
            errors.on(
                literal,
                "there is no such order: answers come in that of their records (`\"ordered\"`), as they are there (`\"unordered\"`), or one after the other for each key (`\"key\"`)",
            );
            Order::Ordered
        }
    }
}

/// `fixed(3, 50ms)`, `exponential(3)`, `exponential(3, 100ms, 30s)`.
fn retry(literal: &LitStr, errors: &mut Errors) -> Option<Retry> {
    let text = literal.value();
    let parsed = text.trim().strip_suffix(')').and_then(|text| text.split_once('(')).and_then(|(name, arguments)| {
        let arguments: Vec<_> = arguments.split(',').map(str::trim).collect();
        let times = arguments[0].parse::<u32>().ok().filter(|times| *times > 0)?;
        match (name.trim(), &arguments[1..]) {
            ("fixed", [wait]) => Some(Retry::Fixed { times, millis: millis(wait)? }),
            ("exponential", []) => Some(Retry::Exponential { times, millis: None, limit: None }),
            ("exponential", [first]) => Some(Retry::Exponential { times, millis: Some(millis(first)?), limit: None }),
            ("exponential", [first, limit]) => {
                Some(Retry::Exponential { times, millis: Some(millis(first)?), limit: Some(millis(limit)?) })
            }
            _ => None,
        }
    });
    if parsed.is_none() {
        errors.at(
            literal.span(),
            "this is no way to try again: say how often, and how long to wait, as in `\"fixed(3, 50ms)\"`, `\"exponential(3)\"` or `\"exponential(3, 100ms, 30s)\"`",
        );
    }
    parsed
}
