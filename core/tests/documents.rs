//! Documents of the standard types: what they look like in JSON, that every view reads back the same, and what is refused.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

use millstream_core::{
    document::{Document, Scratch},
    impls::{ByteString, MapView, VecView},
    record::{Record, ViewOf},
    time::{Timestamp, Window},
};
use proptest::prelude::*;

/// Reads a text that is nothing but the record.
fn parse<'t, T: Document<'t>>(text: &'t str, scratch: &'t Scratch) -> serde_json::Result<T::View<'t>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let view = T::deserialize(&mut json, scratch)?;
    json.end()?;
    Ok(view)
}

fn text_of<T: for<'t> Document<'t>>(view: T::View<'_>) -> String {
    serde_json::to_string(&ViewOf::<T>(view)).expect("a record has a text")
}

/// The text of a value, which reads back as the same value, in a view that is written and encoded alike.
#[track_caller]
fn check<T: for<'t> Document<'t> + PartialEq + Debug>(value: T) -> String {
    let text = text_of::<T>(value.view());
    let scratch = Scratch::new();
    let view = parse::<T>(&text, &scratch).unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(format!("{view:?}"), format!("{:?}", value.view()), "both views print the same");
    assert_eq!(text_of::<T>(view), text, "both views have the same text");
    assert_eq!(T::from_view(view), value);
    text
}

#[track_caller]
fn is<T: for<'t> Document<'t> + PartialEq + Debug>(value: T, text: &str) {
    assert_eq!(check(value), text);
}

#[track_caller]
fn reads<T: for<'t> Document<'t> + PartialEq + Debug>(text: &str, value: T) {
    let scratch = Scratch::new();
    assert_eq!(parse::<T>(text, &scratch).map(T::from_view).expect("a record"), value);
}

/// What is said about a text that is no such record, the path first.
#[track_caller]
fn refuses<T: for<'t> Document<'t>>(text: &str, message: &str) {
    let scratch = Scratch::new();
    match parse::<T>(text, &scratch) {
        Ok(view) => panic!("{text} was read as {view:?}"),
        Err(error) => assert_eq!(format!("{}: {error}", scratch.path()), message),
    }
}

#[test]
fn numbers_at_their_ends() {
    macro_rules! ends {
        ($($type:ty)*) => { $(
            is(<$type>::MIN, &<$type>::MIN.to_string());
            is(<$type>::MAX, &<$type>::MAX.to_string());
        )* };
    }
    ends!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);
    check(f64::MAX);
    check(f64::MIN_POSITIVE);
    check(f32::MAX);
    is(-0.5, "-0.5");
    is(0.1_f32, "0.1");
    is(true, "true");
    is((), "null");
    reads("7", 7.0);
    reads("-7", -7.0_f32);
    reads("1e3", 1000.0);
}

#[test]
fn numbers_keep_to_their_range_and_kind() {
    let whole = "a whole number from";
    refuses::<u8>("256", &format!(": invalid value: integer `256`, expected {whole} 0 to 255 at line 1 column 3"));
    refuses::<u64>(
        "-1",
        &format!(": invalid value: integer `-1`, expected {whole} 0 to {} at line 1 column 2", u64::MAX),
    );
    refuses::<i8>(
        "1.0",
        &format!(": invalid type: floating point `1.0`, expected {whole} -128 to 127 at line 1 column 3"),
    );
    refuses::<f64>("\"1\"", ": invalid type: string \"1\", expected a number at line 1 column 3");
    refuses::<f64>("null", ": invalid type: null, expected a number at line 1 column 4");
    refuses::<bool>("1", ": invalid type: integer `1`, expected `true` or `false` at line 1 column 1");
    assert!(parse::<i128>("170141183460469231731687303715884105728", &Scratch::new()).is_err());
}

#[test]
fn floats_without_digits_are_null() {
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!((text_of::<f64>(float), text_of::<Option<f64>>(Some(float))), ("null".into(), "null".into()));
    }
    reads("null", None::<f64>);
}

#[test]
fn text_is_borrowed_unless_it_has_escapes() {
    is("ä \"quoted\" \\ \n \u{1} 🌍".to_owned(), "\"ä \\\"quoted\\\" \\\\ \\n \\u0001 🌍\"");
    is('"', "\"\\\"\"");
    is('ß', "\"ß\"");
    refuses::<char>("\"ab\"", ": invalid value: string \"ab\", expected a string of one character at line 1 column 4");

    let text = r#"["in the text", "with an \u00e9scape", "€"]"#;
    let scratch = Scratch::new();
    let words = parse::<Vec<String>>(text, &scratch).expect("words");
    let borrowed = |word: &str| text.as_bytes().as_ptr_range().contains(&word.as_ptr());
    assert!(words.iter().eq(["in the text", "with an éscape", "€"]));
    assert!(words.iter().map(borrowed).eq([true, false, true]));
}

#[test]
fn bytes_are_base64() {
    is(ByteString(vec![0, 0xff, 0x10]), "\"AP8Q\"");
    is(ByteString(vec![]), "\"\"");
    refuses::<ByteString>(
        "\"AP8\"",
        ": invalid value: string \"AP8\", expected a string of base64, with `+` and `/` and padded by `=` at line 1 column 5",
    );
}

#[test]
fn times_are_read_from_text_and_from_milliseconds() {
    let at = Timestamp::from_millis(1_714_564_800_500);
    is(at, "\"2024-05-01T12:00:00.500Z\"");
    is(Timestamp::MAX, "\"infinity\"");
    is(Timestamp::from_millis(i64::MAX - 1), "\"9223372036854775806\"");
    for text in ["1714564800500", "\"1714564800500\"", "\"2024-05-01T14:00:00.5+02:00\""] {
        reads(text, at);
    }
    reads("-1", Timestamp::from_millis(-1));
    let wanted = "a time: RFC 3339 (as `2024-05-01T12:00:00Z` or `2024-05-01T14:00:00.5+02:00`) or whole milliseconds since 1970";
    refuses::<Timestamp>("1.5", &format!(": invalid type: floating point `1.5`, expected {wanted} at line 1 column 3"));
    refuses::<Timestamp>(
        "\"noon\"",
        &format!(": invalid value: string \"noon\", expected {wanted} at line 1 column 6"),
    );
    let window = Window::new(Timestamp::from_millis(0), Timestamp::from_millis(60_000));
    is(window, "\"1970-01-01T00:00:00Z/1970-01-01T00:01:00Z\"");
    refuses::<Window>(
        "\"1970-01-01T00:01:00Z/1970-01-01T00:00:00Z\"",
        ": invalid value: string \"1970-01-01T00:01:00Z/1970-01-01T00:00:00Z\", expected a window, as `2024-05-01T12:00:00Z/2024-05-01T12:01:00Z` at line 1 column 43",
    );
}

#[test]
fn null_is_none_however_deep() {
    is(Some(3_u8), "3");
    is(None::<u8>, "null");
    is(vec![Some("x".to_owned()), None], "[\"x\",null]");
    assert_eq!(text_of::<Option<Option<u8>>>(Some(None)), "null");
    reads("null", None::<Option<u8>>);
    reads("4", Some(Some(4_u8)));
}

#[test]
fn lists_have_their_lengths() {
    is(vec![vec![1_u8], vec![], vec![2, 3]], "[[1],[],[2,3]]");
    is([[1_i16, -2], [3, 4]], "[[1,-2],[3,4]]");
    is((1_u8, "x".to_owned(), [true]), "[1,\"x\",[true]]");
    is((5_u64,), "[5]");
    is::<[u8; 0]>([], "[]");
    check((1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 'a', "11".to_owned(), Some(12_u8)));
    refuses::<[u8; 2]>("[1]", ": invalid length 1, expected an array of 2 elements at line 1 column 3");
    refuses::<(u8, u8)>("[1,2,3,{}]", ": invalid length 4, expected an array of 2 elements at line 1 column 10");
    refuses::<(u8,)>("[]", ": invalid length 0, expected an array of 1 element at line 1 column 2");
    refuses::<Vec<Vec<bool>>>(
        "[[],[true,0]]",
        "[1][1]: invalid type: integer `0`, expected `true` or `false` at line 1 column 11",
    );
    refuses::<(u8, Vec<bool>)>(
        "[1,[null]]",
        "[1][0]: invalid type: null, expected `true` or `false` at line 1 column 8",
    );
    refuses::<Vec<u8>>("{}", ": invalid type: map, expected an array at line 1 column 0");
}

#[test]
fn a_list_of_views_is_a_list() {
    let scratch = Scratch::new();
    let view = parse::<Vec<String>>(r#"["a","bb","ccc"]"#, &scratch).expect("words");
    assert!(matches!(view, VecView::Views(_)));
    assert_eq!((view.len(), view.is_empty(), view.get(3)), (3, false, None));
    assert_eq!((view.first(), view.get(1), view.last()), (Some("a"), Some("bb"), Some("ccc")));
    assert!(view.iter().rev().eq(["ccc", "bb", "a"]) && view.iter().len() == 3 && view.iter().clone().eq(view));
    assert_eq!(view, vec!["a".to_owned(), "bb".to_owned(), "ccc".to_owned()].view());
    let bytes = parse::<Vec<u8>>("[1,2]", &scratch).expect("bytes");
    assert_eq!(bytes.as_bytes(), [1, 2]);
}

#[test]
fn maps_are_objects_in_the_order_of_keys() {
    is(BTreeMap::from([("b".to_owned(), 2), ("a".to_owned(), 1_u8)]), r#"{"a":1,"b":2}"#);
    is(HashMap::from([(-1_i64, true), (-20, false)]), r#"{"-20":false,"-1":true}"#);
    is(BTreeMap::from([(true, 'x'), (false, 'y')]), r#"{"false":"y","true":"x"}"#);
    is(BTreeMap::from([('x', vec![1_u8])]), r#"{"x":[1]}"#);
    is(BTreeMap::from([(Timestamp::from_millis(0), 1_u8)]), r#"{"1970-01-01T00:00:00Z":1}"#);
    is(BTreeMap::from([(u128::MAX, ())]), &format!("{{\"{}\":null}}", u128::MAX));
    is(HashMap::<String, u8>::new(), "{}");
    refuses::<BTreeMap<u8, u8>>(
        r#"{"300":1}"#,
        ": invalid value: integer `300`, expected a whole number from 0 to 255 at line 1 column 5",
    );
    refuses::<HashMap<String, Vec<u8>>>(
        r#"{"a":[1],"b c":[2,"x"]}"#,
        "[\"b c\"][1]: invalid type: string \"x\", expected a whole number from 0 to 255 at line 1 column 21",
    );
    refuses::<BTreeMap<String, u8>>(
        r#"{"a":1,"b":2,"\u0061":3}"#,
        ": the key \"a\" is there twice at line 1 column 24",
    );
}

#[test]
fn a_map_of_views_is_a_map() {
    let scratch = Scratch::new();
    let view = parse::<HashMap<String, u32>>(r#"{"b":2,"c":3,"a":1}"#, &scratch).expect("a map");
    assert!(matches!(view, MapView::Views(_)));
    assert_eq!((view.len(), view.is_empty()), (3, false));
    assert_eq!((view.get("a"), view.get("c"), view.get("d"), view.contains_key("b")), (Some(1), Some(3), None, true));
    assert!(view.iter().eq([("a", 1), ("b", 2), ("c", 3)]) && view.iter().len() == 3);
    assert!(view.keys().eq(["a", "b", "c"]) && view.values().eq([1, 2, 3]));
}

type Nested = Vec<Option<(String, Vec<u64>)>>;
type Everything =
    (BTreeMap<String, Nested>, HashMap<i16, ByteString>, [Option<f64>; 3], Vec<Vec<Window>>, (f32, char, i128));

fn everything() -> impl Strategy<Value = Everything> {
    let nested = prop::collection::vec(prop::option::of((".{0,20}", prop::collection::vec(any::<u64>(), 0..5))), 0..8);
    let window = (any::<i64>(), any::<i64>())
        .prop_map(|(a, b)| Window::new(Timestamp::from_millis(a.min(b)), Timestamp::from_millis(a.max(b))));
    (
        prop::collection::btree_map(".{0,12}", nested, 0..5),
        prop::collection::hash_map(any::<i16>(), any::<Vec<u8>>().prop_map(ByteString), 0..8),
        prop::array::uniform3(prop::option::of(
            prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        )),
        prop::collection::vec(prop::collection::vec(window, 0..4), 0..4),
        (prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL, any::<char>(), any::<i128>()),
    )
}

proptest! {
    #[test]
    fn records_of_every_kind(value in everything()) {
        check(value);
    }

    /// White space between the parts changes nothing.
    #[test]
    fn pretty_text_is_the_same_record(value in everything()) {
        let pretty = serde_json::to_string_pretty(&ViewOf::<Everything>(value.view())).expect("a record has a text");
        let scratch = Scratch::new();
        prop_assert_eq!(Everything::from_view(parse::<Everything>(&pretty, &scratch).expect("a record")), value);
    }

    /// Damaged text is refused, or is another record that reads back the same.
    #[test]
    fn damaged_text(value in everything(), at in any::<prop::sample::Index>(), put in any::<char>(), cut in any::<bool>()) {
        let mut text: Vec<char> = text_of::<Everything>(value.view()).chars().collect();
        let at = at.index(text.len());
        if cut {
            text.truncate(at);
        } else {
            text[at] = put;
        }
        let text: String = text.into_iter().collect();
        let scratch = Scratch::new();
        if let Ok(view) = parse::<Everything>(&text, &scratch) {
            check(Everything::from_view(view));
        }
    }
}
