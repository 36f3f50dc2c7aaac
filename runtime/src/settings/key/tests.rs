//! The table of settings: that every row does what it says.

use millstream_core::key::DEFAULT_MAX_PARALLELISM;

use super::*;
use crate::{
    restart::RestartStrategy,
    settings::{Origin, Outside},
};

#[test]
fn every_key_reads_what_it_shows_and_the_default_is_sound() {
    let default = Settings::default();
    for key in KEYS {
        let mut settings = default.clone();
        assert_eq!(key.set(&mut settings, &key.show(&default)), Ok(()), "{}", key.name);
        assert_eq!(settings, default, "{}", key.name);
        assert!(key.is_sound(&default), "{}", key.name);
        // It may be the name of a directory, or of a region.
        let is_text = matches!(key.kind(), "location" | "text" | "path");
        assert_eq!(key.set(&mut settings, "nonsense").is_err(), !is_text, "{}", key.name);
    }
}

#[test]
fn every_key_sets_a_field_of_its_own() {
    for key in KEYS {
        let mut settings = Settings::default();
        let other = match key.kind() {
            "count" => "97",
            "duration" => "1234ms",
            "size" => "1234B",
            "location" => "some/directory",
            "url" => "https://server:1",
            "text" => "some-region",
            "path" => "some/place",
            "backend" => "redb",
            "switch" => "true",
            "strategy" => "fixed-delay(97, 1234ms)",
            kind => panic!("{kind} is new here"),
        };
        key.set(&mut settings, other).expect("the value is allowed for all keys of its kind");
        for shown in KEYS {
            let expected = if shown.name == key.name { other.to_owned() } else { shown.show(&Settings::default()) };
            assert_eq!(shown.show(&settings), expected, "{} after {}", shown.name, key.name);
        }
    }
}

#[test]
fn bounds_may_be_reached_and_not_passed() {
    let mut settings = Settings::default();
    let mut set = |name: &str, text: &str| Setting::find(name).and_then(|key| key.set(&mut settings, text)).is_ok();
    assert!(set("buffer-bytes", "1KiB") && set("buffer-bytes", "16MiB"));
    assert!(!set("buffer-bytes", "1023B") && !set("buffer-bytes", "16777217"));
    assert!(set("parallelism", "32768") && !set("parallelism", "32769") && !set("parallelism", "0"));
    assert!(set("watermark-interval", "1ms") && !set("watermark-interval", "999us"));
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_and_all() {
    let message = Setting::find("paralelism").err().unwrap_or_default();
    assert!(message.starts_with("there is no setting `paralelism`; did you mean `parallelism`?\n"), "{message}");
    assert!(message.ends_with("object-store.allow-http, restart"), "{message}");
    assert!(Setting::find("colour").err().is_some_and(|message| message.starts_with("there is no setting `colour`\n")));
    assert_eq!(nearest("BUFFER_TIMOUT").map(|key| key.name), Some("buffer-timeout"));
}

#[test]
fn a_default_in_words_is_true() {
    let words: Vec<_> = KEYS.iter().filter_map(|key| Some((key.name, key.default?))).collect();
    let restart = ("restart", "auto: exponential-delay with checkpoints, none without");
    let (memory, dir) = (("state.memory", "half of memory"), ("state.dir", "the directory for temporary files"));
    assert_eq!(words, [("parallelism", "the number of processors, at most 128"), memory, dir, restart]);
    assert_eq!(DEFAULT_MAX_PARALLELISM, 128);
}

#[test]
fn edits_are_counted() {
    assert_eq!([edits("", "abc"), edits("abc", "abc"), edits("kitten", "sitting")], [3, 0, 3]);
}

#[test]
fn checkpoints_are_in_a_directory_or_in_an_object_store_or_nowhere() {
    let mut settings = Settings::default();
    let mut set = |text: &str| {
        settings.set("checkpoint.dir", text)?;
        Ok::<_, String>(settings.checkpoints.dir.as_ref().map(ToString::to_string))
    };
    assert_eq!(set("a b/c"), Ok(Some("a b/c".into())));
    assert_eq!(set("none"), Ok(None));
    assert_eq!(set("./none"), Ok(Some("./none".into())));
    assert_eq!(set("s3://bucket/job"), Ok(Some("s3://bucket/job".into())));
    let message = set("http://bucket/job").expect_err("nothing is known to be there");
    let start = "invalid value 'http://bucket/job' for 'checkpoint.dir': this kind of URL is not known: a directory or a URL is expected";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn credentials_in_a_url_are_refused_and_not_repeated() {
    for (key, text) in
        [("checkpoint.dir", "s3://key:secret@bucket/job"), ("object-store.endpoint", "http://k:secret@host")]
    {
        let message = Settings::default().set(key, text).expect_err("they do not belong there");
        assert!(!message.contains("secret") && message.contains("'..@"), "{message}");
        let mut outside = Outside::default();
        let message = outside.put(key, text, Origin::Define).expect_err("they do not belong there");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn a_strategy_says_what_is_wrong_with_it() {
    let mut settings = Settings::default();
    let message = settings.set("restart", "fixed(3, 10)").expect_err("it has no unit");
    assert!(message.starts_with("invalid value 'fixed(3, 10)' for 'restart': `10` is not a duration"), "{message}");
    assert_eq!(settings.set("restart", " none "), Ok(()));
    assert_eq!(settings.restart, Some(RestartStrategy::None));
    assert_eq!(settings.set("restart", "auto"), Ok(()));
    assert_eq!(settings.restart, None);
}

#[test]
fn options_and_variables_have_no_dots() {
    let key = Setting::find("checkpoint.min-pause").expect("it is in the table");
    assert_eq!(
        (key.option(), key.variable()),
        ("checkpoint-min-pause".into(), "MILLSTREAM_CHECKPOINT_MIN_PAUSE".into())
    );
    assert_eq!(nearest("CHECKPOINT_INTERVALL").map(|key| key.name), Some("checkpoint.interval"));
}
