//! Bytes of any kind, from a seed: each connection is answered or closed, and the server goes on. `MILLSTREAM_TEST_BUDGET=full` tries many seeds.

use super::{Answer, Served, fake::Fake, random::Random};
use crate::rest::routes::ROUTES;

/// A request that is right.
fn right(random: &mut Random) -> Vec<u8> {
    let route = &ROUTES[random.below(ROUTES.len())];
    let (method, path) = (&route.method, route.path.replace("{job}", "flights"));
    let body = match route.operation {
        "submit_job" => "{}",
        "rescale_job" => "{\"parallelism\":2}",
        _ => "",
    };
    let headers = format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    format!("{method} {path} HTTP/1.1\r\n{headers}\r\n{body}").into_bytes()
}

/// A request to some route, wrong in several ways.
fn wrong(random: &mut Random) -> Vec<u8> {
    let route = &ROUTES[random.below(ROUTES.len())];
    let ids = ["flights", "f1a9", "", "%", "%00", "..", "a/b", "f1a90000000000000000000000000001", "twins", "0"];
    let path = route.path.replace("{job}", random.pick(&ids));
    let method =
        random.pick(&["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get", "G T", "", "CONNECT", "TRACE"]);
    let method = if random.below(2) == 0 { route.method.as_str() } else { method };
    let version = random.pick(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]);
    let bodies = ["", "{}", "{", "[]", "null", "{\"args\":[", "{\"job\":\"\\ud800\"}", "{\"parallelism\":1e99}"];
    let mut body = random.pick(&bodies).as_bytes().to_vec();
    if random.below(4) == 0 {
        body = random.bytes(300);
    }
    if random.below(20) == 0 {
        body = b"[".repeat(random.below(100_000));
    }
    let length = match random.below(4) {
        0 => random.next(),
        _ => body.len() as u64,
    };
    let headers = [
        "content-type: application/json\r\n".to_owned(),
        format!("content-length: {length}\r\n"),
        "transfer-encoding: chunked\r\n".to_owned(),
        "expect: 100-continue\r\n".to_owned(),
        "host: \r\nhost: x\r\n".to_owned(),
        "upgrade: h2c\r\n".to_owned(),
        "authorization: Bearer \u{7f}\r\n".to_owned(),
        format!("x: {}\r\n", "y".repeat(random.below(20_000))),
    ];
    let mut out = format!("{method} {path} {version}\r\n").into_bytes();
    for header in &headers {
        if random.below(3) == 0 {
            out.extend(header.as_bytes());
        }
    }
    out.extend(b"connection: close\r\n\r\n");
    out.extend(body);
    out
}

/// A request, as it may come.
pub(super) fn request(random: &mut Random) -> Vec<u8> {
    let mut out = if random.below(3) == 0 { right(random) } else { wrong(random) };
    match random.below(4) {
        // Half of it.
        0 => out.truncate(random.below(out.len())),
        // Some bytes are others.
        1 => (0..1 + random.below(8)).for_each(|_| {
            let at = random.below(out.len());
            out[at] = random.next() as u8;
        }),
        _ => {}
    }
    out
}

#[test]
fn whatever_comes_is_answered_or_closed() {
    let served = Served::new(Fake::default(), None);
    let (mut answered, mut errors) = (0, 0);
    let full = std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full");
    for seed in 0..if full { 20_000 } else { 400 } {
        let mut random = Random(seed);
        let sent = if seed % 8 == 0 { random.bytes(2_000) } else { request(&mut random) };
        // In two pieces, one of which may be empty. Nothing more will come, so what is not a whole request is not waited for.
        let (first, second) = sent.split_at(random.below(sent.len() + 1));
        let answer = served.send_pieces(&[first, second], true);
        if answer.starts_with(b"HTTP/1.1 ") && !answer.starts_with(b"HTTP/1.1 1") {
            let parsed = Answer::parse(&answer);
            assert!(parsed.status < 500, "seed {seed}: {parsed:?}");
            answered += 1;
            errors += u32::from(parsed.status >= 400);
            if parsed.status >= 400 {
                assert_eq!(parsed.header("content-type"), Some("application/problem+json"), "seed {seed}: {parsed:?}");
            }
        }
    }
    println!("{answered} answers, {errors} errors");
    // The requests are what they should be: some are right, and many are not.
    assert!(answered > errors + 30 && errors > 50, "{answered} answers, {errors} errors");
    assert_eq!(served.get("/v1/overview").status, 200);
}
