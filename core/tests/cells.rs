//! Cells: what text is read as, what is refused, and that what was written reads back.

use std::fmt::Debug;

use millstream_core::{
    blank::Blank,
    cell::Cell,
    time::{Timestamp, Window},
};
use proptest::prelude::*;

#[track_caller]
fn reads<T>(text: &str, value: T)
where
    T: for<'t> Cell<'t> + PartialEq + Debug,
{
    let view = T::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(T::from_view(view), value);
}

#[track_caller]
fn refuses<T: for<'t> Cell<'t>>(text: impl AsRef<[u8]>, message: &str) {
    match T::parse(text.as_ref()) {
        Ok(view) => panic!("it was read as {view:?}"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
}

fn text_of<'t, T: Cell<'t>>(view: T::View<'_>) -> String {
    let mut out = b"before,".to_vec();
    T::format(view, &mut out);
    String::from_utf8(out).expect("cells are UTF-8")["before,".len()..].to_owned()
}

#[track_caller]
fn round_trip<T>(value: T)
where
    T: for<'t> Cell<'t> + PartialEq + Debug,
{
    reads(&text_of::<T>(value.view()), value);
}

#[test]
fn integers() {
    macro_rules! ends {
        ($($type:ty)*) => { $(
            round_trip(<$type>::MIN);
            round_trip(<$type>::MAX);
            reads("007", 7 as $type);
            reads("+7", 7 as $type);
            for text in ["", "+", "-", "7 ", " 7", "7.0", "7e1", "0x7", "--7", "٧", "/", ":"] {
                assert!(<$type>::parse(text.as_bytes()).is_err(), "{text}");
            }
            // One beyond each end, made by hand since no type holds it.
            for end in [<$type>::MIN.to_string(), <$type>::MAX.to_string()] {
                let (head, last) = end.split_at(end.len() - 1);
                let beyond = format!("{head}{}", last.parse::<u8>().expect("a digit") + 1);
                assert_eq!(<$type>::parse(beyond.as_bytes()).is_err(), end != "0", "{beyond}");
                assert!(<$type>::parse(format!("{}0", beyond).as_bytes()).is_err() || end == "0", "{beyond}0");
            }
        )* };
    }
    ends!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);
    refuses::<u8>("256", "`256` is not a whole number from 0 to 255");
    refuses::<u8>("-1", "`-1` is not a whole number from 0 to 255");
    refuses::<i8>("-129", "`-129` is not a whole number from -128 to 127");
}

#[test]
fn floats() {
    reads("1", 1.0_f64);
    reads("-0.5", -0.5_f64);
    reads("+.5", 0.5_f64);
    reads("1.5e-7", 1.5e-7_f64);
    reads("1E3", 1000.0_f32);
    reads("inf", f64::INFINITY);
    reads("-inf", f32::NEG_INFINITY);
    assert!(<f64 as Cell<'_>>::parse(b"NaN").is_ok_and(f64::is_nan));
    for text in ["", ".", "e5", "1e", "1,5", " 1", "nan", "Infinity", "infinity", "INF", "1_000", "0x1p3", "1f64"] {
        assert!(<f64 as Cell<'_>>::parse(text.as_bytes()).is_err(), "{text}");
    }
    refuses::<f64>("twelve", "`twelve` is not a number, as `12`, `-0.5` or `1.5e-7`");
    assert_eq!(
        (text_of::<f64>(0.1), text_of::<f32>(0.1), text_of::<f64>(2.0)),
        ("0.1".into(), "0.1".into(), "2".into())
    );
}

#[test]
fn text() {
    reads("", String::new());
    reads(" as it is ", " as it is ".to_owned());
    refuses::<String>(b"\xffabc", "`\u{fffd}abc` is not valid UTF-8");
    reads("true", true);
    reads("1", true);
    reads("false", false);
    reads("0", false);
    refuses::<bool>("True", "`True` is not `true`, `false`, `1` or `0`");
    assert_eq!(text_of::<bool>(true) + &text_of::<bool>(false), "truefalse");
    reads("é", 'é');
    for text in ["", "ab", "e\u{301}"] {
        assert!(<char as Cell<'_>>::parse(text.as_bytes()).is_err(), "{text}");
    }
    refuses::<char>(b"\xff", "`\u{fffd}` is not a single character");
    refuses::<bool>("x".repeat(100), &format!("`{}…` is not `true`, `false`, `1` or `0`", "x".repeat(40)));
}

#[test]
fn options() {
    reads("", None::<u8>);
    reads("NA", None::<u8>);
    reads("5", Some(5_u8));
    reads("NA", None::<String>);
    reads("na", Some("na".to_owned()));
    refuses::<Option<u8>>("x", "`x` is not a whole number from 0 to 255");
    assert_eq!((text_of::<Option<u8>>(None), text_of::<Option<u8>>(Some(5))), (String::new(), "5".to_owned()));
}

#[test]
fn times() {
    reads("2024-05-01T14:00:00+02:00", Timestamp::from_millis(1_714_564_800_000));
    assert_eq!(text_of::<Timestamp>(Timestamp::from_millis(1_714_564_800_250)), "2024-05-01T12:00:00.250Z");
    assert!(<Timestamp as Cell<'_>>::parse(b"").is_err());
    let window = Window::new(Timestamp::from_millis(1_714_564_800_000), Timestamp::from_millis(1_714_564_860_000));
    assert_eq!(text_of::<Window>(window), "2024-05-01T12:00:00Z/2024-05-01T12:01:00Z");
    round_trip(window);
    round_trip(Window::new(Timestamp::MIN, Timestamp::MAX));
    refuses::<Window>("5", "`5` is not a window, as `2024-05-01T12:00:00Z/2024-05-01T12:01:00Z`");
    refuses::<Window>("5/4", "`5/4` is not a window, as `2024-05-01T12:00:00Z/2024-05-01T12:01:00Z`");
}

#[test]
fn blanks() {
    assert_eq!((u8::blank(), i128::blank(), f32::blank(), bool::blank(), char::blank()), (0, 0, 0.0, false, ' '));
    assert_eq!((String::blank(), Option::<u8>::blank(), Timestamp::blank().millis()), ("", None, 0));
    assert_eq!(Window::blank(), Window::new(Timestamp::from_millis(0), Timestamp::from_millis(0)));
}

proptest! {
    #[test]
    fn what_was_written_reads_back(
        unsigned: (u8, u16, u32, u64, u128), signed: (i8, i16, i32, i64, i128), float: (f32, f64),
        rest: (char, bool, String), millis: i64, optional: Option<f64>,
    ) {
        round_trip(unsigned.0); round_trip(unsigned.1); round_trip(unsigned.2); round_trip(unsigned.3); round_trip(unsigned.4);
        round_trip(signed.0); round_trip(signed.1); round_trip(signed.2); round_trip(signed.3); round_trip(signed.4);
        round_trip(float.0); round_trip(float.1);
        round_trip(rest.0); round_trip(rest.1); round_trip(rest.2);
        round_trip(Timestamp::from_millis(millis));
        round_trip(optional);
    }

    /// The parser by hand takes exactly what the standard library takes.
    #[test]
    fn integers_are_read_as_by_the_standard_library(text in "[+-]?[0-9]{0,21}|.{0,4}") {
        prop_assert_eq!(u8::parse(text.as_bytes()).ok(), text.parse().ok());
        prop_assert_eq!(i8::parse(text.as_bytes()).ok(), text.parse().ok());
        prop_assert_eq!(u64::parse(text.as_bytes()).ok(), text.parse().ok());
        prop_assert_eq!(i64::parse(text.as_bytes()).ok(), text.parse().ok());
    }
}
