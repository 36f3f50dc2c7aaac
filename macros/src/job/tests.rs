//! What `#[job]` says about functions that are no jobs.

use proc_macro2::TokenStream;
use quote::quote;

use super::{attribute, check::SIGNATURES};
use crate::errors::messages;

/// Checks the messages; each of them ends with the two signatures.
#[track_caller]
fn says(function: TokenStream, wanted: &[&str]) {
    let wanted: Vec<_> = wanted.iter().map(|wanted| format!("{wanted}{SIGNATURES}")).collect();
    assert_eq!(messages(attribute(quote!(), function)), wanted);
}

#[test]
fn every_mistake_is_answered_with_the_signatures() {
    says(
        quote!(
            async unsafe fn volume<T>(job: &Job, args: Args, more: Args) -> u64 {}
        ),
        &[
            "a job only describes its graph and never waits: remove `async`; ",
            "a job is called by safe code: remove `unsafe`; ",
            "a job is called by its name alone, so nothing can fill in its parameters: remove them; ",
            "the first parameter is `&mut Job`, or `&mut Job<ExactlyOnce>`; ",
            "one parameter too many: put all arguments into one struct with `#[derive(clap::Args)]`; ",
            "a job returns no value: its results go to sinks; ",
        ],
    );
    says(
        quote!(
            fn volume() {}
        ),
        &["a job needs something to add its streams to; "],
    );
    says(
        quote!(
            fn volume(&mut self) -> Result<u64, E> {}
        ),
        &["a job is a free function: remove `self`; ", "a job returns no value: its results go to sinks; "],
    );
    says(
        quote!(
            struct Volume;
        ),
        &["`#[job]` stands on a free function: "],
    );
}

#[test]
fn jobs_have_nothing_to_say() {
    says(
        quote!(
            fn volume(job: &mut Job) {}
        ),
        &[],
    );
    says(
        quote!(
            fn volume(job: &mut millstream::Job<ExactlyOnce>, Args { input }: Args) -> anyhow::Result<()> {}
        ),
        &[],
    );
}

#[test]
fn the_doc_comment_is_the_help_text() {
    let emitted = attribute(
        quote!(),
        quote!(
            /// Trades per industry.
            ///
            ///   Indented.
            fn volume(job: &mut Job) {}
        ),
    );
    assert!(emitted.to_string().contains(r#"doc : "Trades per industry.\n\n  Indented.""#), "{emitted}");
}
