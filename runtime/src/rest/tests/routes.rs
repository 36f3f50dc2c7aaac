//! Every route: with what it expects, and with what it does not.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, atomic::Ordering::SeqCst},
};

use hyper::Method;
use serde_json::{Value, json};

use super::{
    Answer, Served,
    fake::{BROKEN, FLIGHTS, Fake, OLD_FLIGHTS, SUBMITTED, TASKMANAGER, TWIN},
};
use crate::rest::{
    dispatcher::{Refusal, Refused},
    routes::ROUTES,
    server::HEAD_BYTES_LIMIT,
    service::BODY_BYTES_LIMIT,
};

fn refuse(served: &Served, refused: Refused) {
    *served.fake.refuses.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
}

#[track_caller]
fn gives(served: &Served, path: &str, wanted: &Value) {
    let answer = served.get(path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    assert_eq!(answer.json(), *wanted, "{path}");
}

#[test]
fn questions_are_answered_in_json() {
    let served = Served::new(Fake::default(), None);
    gives(
        &served,
        "/v1/overview",
        &json!({
            "version": "0.1.0", "leader_epoch": 3, "uptime_ms": 60_000, "taskmanagers": 1, "slots_total": 4, "slots_free": 1,
            "jobs": { "running": 2, "failed": 1 },
        }),
    );
    let flights = json!({
        "id": FLIGHTS.to_string(), "name": "flights", "state": "running", "started_at_ms": 1_700_000_000_000_u64,
        "duration_ms": 245_000, "restarts": 1, "parallelism": 2, "subtasks": 3, "subtasks_running": 3,
    });
    let jobs = served.get("/v1/jobs").json();
    assert_eq!((jobs["jobs"].as_array().map(Vec::len), &jobs["jobs"][1]), (Some(5), &flights));
    let subtask = |index: u32, metrics: Value| {
        json!({
            "index": index, "state": "running", "attempt": "3.1", "taskmanager": TASKMANAGER, "slot": index,
            "metrics": metrics,
        })
    };
    let metrics = json!({
        "records_in": 1_234_567, "records_out": 12, "bytes_in": 98_765_432, "bytes_out": 1_000,
        "busy": 0.75, "backpressured": 0.0, "idle": null,
    });
    let mut detail = flights;
    detail["status"] = Value::Null;
    detail["failure"] = Value::Null;
    detail["restored_checkpoint"] = 6.into();
    detail["vertices"] = json!([
        {
            "id": 0, "name": "source -> map", "parallelism": 2, "max_parallelism": 128, "source": true, "operators": ["source", "map"],
            "subtasks": [subtask(0, metrics), subtask(1, Value::Null)],
        },
        {
            "id": 1, "name": "sink", "parallelism": 1, "max_parallelism": 128, "source": false, "operators": ["sink"],
            "subtasks": [subtask(0, Value::Null)],
        },
    ]);
    gives(&served, &format!("/v1/jobs/{FLIGHTS}"), &detail);
    gives(
        &served,
        "/v1/jobs/flights/exceptions",
        &json!({
            "count": 20,
            "exceptions": [{
                "at_ms": 1_700_000_001_000_u64, "class": "user", "message": "a number is expected, not `x`",
                "hint": "mend line 3 of the file", "operator": "map", "vertex": "source -> map", "subtask": 1,
                "taskmanager": TASKMANAGER, "regions": [0], "followed_by": 2,
            }],
        }),
    );
    let checkpoint = |id: u64, state: &str, failure: Value| {
        json!({
            "id": id, "kind": "periodic", "state": state, "failure": failure, "triggered_at_ms": 1_700_000_002_000_u64,
            "duration_ms": 120, "bytes": 1_234_000, "channel_bytes": 0, "unaligned": false, "subtasks": 3, "acknowledged": 3,
            "alignment_ns": 1, "sync_ns": 2, "background_ns": 3,
        })
    };
    let (completed, failed) = (checkpoint(7, "completed", Value::Null), checkpoint(8, "failed", "disk full".into()));
    gives(
        &served,
        "/v1/jobs/flights/checkpoints",
        &json!({
            "completed": 7, "failed": 1, "in_progress": 0, "latest_completed": completed, "latest_failed": failed,
            "history": [failed, completed],
        }),
    );
    gives(
        &served,
        "/v1/taskmanagers",
        &json!({ "taskmanagers": [{
            "id": TASKMANAGER, "address": "127.0.0.1:4711", "slots": 4, "slots_free": 1,
            "since_ms": 1_700_000_000_000_u64, "heartbeat_age_ms": 250,
        }] }),
    );
    gives(
        &served,
        "/v1/binary",
        &json!({ "jobs": [{ "name": "flights", "doc": "Departures.", "file": "flights.rs", "line": 7, "column": 1 }] }),
    );
    gives(
        &served,
        "/v1/config",
        &json!({ "settings": [{
            "key": "memory", "value": "1GiB", "default": "512MiB", "origin": "millstream.toml:3",
            "doc": "What it is for", "live": false,
        }] }),
    );
    for path in ["/metrics", "/v1/metrics"] {
        let metrics = served.get(path);
        assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        assert_eq!(
            metrics.body,
            "# TYPE millstream_records_in counter\nmillstream_records_in{operator=\"map \\\"a\\\"\",subtask=\"0\"} 5\n"
        );
    }
    let head = served.request("HEAD", "/v1/overview", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.header("content-length").is_some_and(|length| length != "0"), "{head:?}");
}

#[test]
fn commands_are_carried_out() {
    let served = Served::new(Fake::default(), None);
    let sent = r#"{"job":"flights","args":["--below","5"],"settings":{"parallelism":"2"},"name":"mine"}"#;
    let submitted = served.post("/v1/jobs", sent);
    let location = format!("/v1/jobs/{SUBMITTED}");
    assert_eq!((submitted.status, submitted.header("location")), (201, Some(location.as_str())));
    assert_eq!(submitted.json(), json!({ "job": SUBMITTED.to_string() }));
    assert_eq!(served.post("/v1/jobs", "{}").status, 201);
    let made = served.post("/v1/jobs/flights/checkpoints", "");
    assert_eq!((made.status, made.json()), (201, json!({ "job": FLIGHTS.to_string(), "checkpoint": 8 })));
    let stopped = served.post(&format!("/v1/jobs/{TWIN}/stop"), "");
    assert_eq!((stopped.status, stopped.json()), (200, json!({ "job": TWIN.to_string(), "checkpoint": 9 })));
    let cancelled = served.post("/v1/jobs/F1A9/cancel", "");
    assert_eq!((cancelled.status, cancelled.json()), (202, json!({ "job": FLIGHTS.to_string() })));
    assert_eq!(served.post("/v1/jobs/flights/rescale", r#"{"parallelism":4}"#).status, 202);
    assert_eq!(served.post("/v1/jobs/flights/rescale", r#"{"operators":{"map":3}}"#).status, 202);
    assert_eq!(
        served.fake.told(),
        [
            format!("submit {sent}"),
            r#"submit {"job":null,"args":[],"settings":{},"name":null}"#.to_owned(),
            format!("checkpoint {FLIGHTS}"),
            format!("stop {TWIN}"),
            format!("cancel {FLIGHTS}"),
            format!("rescale {FLIGHTS} Some(4) {{}}"),
            format!("rescale {FLIGHTS} None {{\"map\": 3}}"),
        ]
    );
}

#[test]
fn a_job_is_meant_by_its_id_a_part_of_it_or_its_name() {
    let served = Served::new(Fake::default(), None);
    let id = |text: &str| served.get(&format!("/v1/jobs/{text}")).json()["id"].clone();
    for text in ["flights", "f1a9", "F1A90000", "%66lights", &FLIGHTS.to_string()] {
        assert_eq!(id(text), FLIGHTS.to_string(), "{text}");
    }
    // One that has ended is meant by its id alone.
    assert_eq!(id("0000"), OLD_FLIGHTS.to_string());
    served.get("/v1/jobs/broken").is_problem(404, &format!("its id is {BROKEN}"));
    for text in ["twins", "abcd"] {
        let twins = served.get(&format!("/v1/jobs/{text}"));
        twins.is_problem(409, &format!("{TWIN} twins (running)"));
        assert_eq!(twins.json()["candidates"].as_array().map(Vec::len), Some(2));
    }
    assert_eq!(id("abcde"), TWIN.to_string());
    for text in ["f1a", "nobody", "dead", &"0".repeat(32), &"f".repeat(33)] {
        served.get(&format!("/v1/jobs/{text}")).is_problem(404, &format!("there is no job `{text}`"));
    }
    for text in ["%", "%f", "%zz", "%+f", "%ff"] {
        served.get(&format!("/v1/jobs/{text}")).is_problem(400, "is not percent-encoded UTF-8");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told() {
    let served = Served::new(Fake::default(), None);
    for path in
        ["/", "/v1", "/v1/", "/v1/jobs/", "/v1/jobs/flights/", "/v2/jobs", "/v1/jobs/flights/stop/x", "//v1/jobs"]
    {
        served.get(path).is_problem(404, "GET /v1/openapi.json");
    }
    let refused = served.request("DELETE", "/v1/jobs", &[], "");
    refused.is_problem(405, "does not take DELETE");
    assert_eq!(refused.header("allow"), Some("GET, HEAD, POST"));
    let refused = served.get("/v1/jobs/flights/stop");
    refused.is_problem(405, "does not take GET");
    assert_eq!(refused.header("allow"), Some("POST"));
    served.get("/v1/jobs?all").is_problem(400, "takes no parameters");
    served.request("GET", "/v1/jobs", &[], "{}").is_problem(400, "takes no body");
    served.post("/v1/jobs/flights/cancel", "{}").is_problem(400, "takes no body");

    served.request("POST", "/v1/jobs", &[], "{}").is_problem(415, "application/json");
    served.request("POST", "/v1/jobs", &["content-type: text/plain"], "{}").is_problem(415, "takes JSON");
    for body in ["{", "[]x", "{}{}", "null", "\u{0}", "{\"job\":1}", "{\"args\":\"x\"}", "{\"settings\":{\"a\":1}}"] {
        served.post("/v1/jobs", body).is_problem(400, "the body of the request: ");
    }
    served.post("/v1/jobs", r#"{"jobs":"flights"}"#).is_problem(400, "unknown field `jobs`");
    served.post("/v1/jobs", r#"{"settings":{"memroy":"1GiB"}}"#).is_problem(400, "there is no setting `memroy`");
    served.post("/v1/jobs", r#"{"settings":{"memory":"much"}}"#).is_problem(400, "invalid value 'much'");
    served.post("/v1/jobs", r#"{"name":"a\nb"}"#).is_problem(400, "without control characters");
    for (body, says) in [
        ("{}", "one of `parallelism` and `operators`"),
        (r#"{"parallelism":2,"operators":{"map":2}}"#, "one of `parallelism` and `operators`"),
        (r#"{"parallelism":0}"#, "from 1 to 32768 is expected, not 0"),
        (r#"{"operators":{"map":40000}}"#, "`map`: a parallelism from 1"),
        (r#"{"parallelism":-1}"#, "the body of the request"),
    ] {
        served.post("/v1/jobs/flights/rescale", body).is_problem(400, says);
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(BODY_BYTES_LIMIT));
    served.post("/v1/jobs", &large).is_problem(413, "larger than 65536 bytes");

    Answer::parse(&served.send(b"nonsense\r\n\r\n", false)).is_problem(400, "no HTTP/1.1 request");
    Answer::parse(&served.send(b"GET /v1/jobs\x01 HTTP/1.1\r\n\r\n", false)).is_problem(400, "no HTTP/1.1 request");
    let long = format!("GET /v1/jobs HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES_LIMIT));
    Answer::parse(&served.send(long.as_bytes(), false)).is_problem(431, "too large");
    let many = format!("GET /v1/jobs HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(100));
    Answer::parse(&served.send(many.as_bytes(), false)).is_problem(431, "too large");
    assert_eq!(served.fake.told(), [""; 0]);
}

#[test]
fn what_the_leader_refuses_is_told() {
    let served = Served::new(Fake::default(), None);
    served.post(&format!("/v1/jobs/{BROKEN}/cancel"), "").is_problem(409, "has ended already");
    for (refusal, status) in [
        (Refusal::NotFound, 404),
        (Refusal::Invalid, 400),
        (Refusal::Conflict, 409),
        (Refusal::Unavailable, 503),
        (Refusal::Internal, 500),
    ] {
        refuse(&served, Refused::new(refusal, "out of luck").with_hint("try again"));
        for (method, path) in [("GET", "/v1/overview"), ("GET", "/v1/jobs/flights"), ("POST", "/v1/jobs/flights/stop")]
        {
            let answer = served.request(method, path, &[], "");
            answer.is_problem(status, "try again");
            assert_eq!(answer.header("retry-after").is_some(), status == 503);
        }
    }
    refuse(&served, Refused::not_leader(Some("http://127.0.0.1:9/".to_owned())));
    let elsewhere = served.get("/v1/jobs");
    elsewhere.is_problem(307, "another process leads");
    assert_eq!(elsewhere.header("location"), Some("http://127.0.0.1:9/v1/jobs"));
    refuse(&served, Refused::not_leader(None));
    served.get("/v1/jobs").is_problem(503, "nobody leads");
    assert_eq!((served.get("/readyz").status, served.get("/healthz").status), (503, 200));
    *served.fake.refuses.lock().unwrap_or_else(PoisonError::into_inner) = None;
    assert_eq!((served.get("/readyz").status, served.get("/readyz").body.as_str()), (200, "ready\n"));
}

#[test]
fn a_panic_is_one_answer() {
    let served = Served::new(Fake::default(), None);
    served.fake.panics.store(true, SeqCst);
    served.get("/v1/overview").is_problem(500, "out of luck");
    served.fake.panics.store(false, SeqCst);
    assert_eq!(served.get("/v1/overview").status, 200);
}

#[test]
fn requests_bear_the_token_if_there_is_one() {
    let served = Served::new(Fake::default(), Some("s3cret"));
    for path in ["/v1/jobs", "/metrics", "/readyz", "/nothing"] {
        for header in ["x: y", "authorization: Bearer s3cre", "authorization: Basic s3cret"] {
            let refused = served.request("GET", path, &[header], "");
            refused.is_problem(401, "Authorization: Bearer");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            assert!(!refused.body.contains("s3cre"), "{refused:?}");
        }
    }
    assert_eq!(served.request("GET", "/v1/jobs", &["authorization: Bearer s3cret"], "").status, 200);
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn pages_of_other_sites_may_not_ask() {
    let served = Served::new(Fake::default(), None);
    for origin in ["http://example.org", "null", "http://127.0.0.1:1"] {
        served
            .request("POST", "/v1/jobs/flights/cancel", &[&format!("origin: {origin}")], "")
            .is_problem(403, "other sites");
    }
    assert_eq!(served.request("GET", "/v1/jobs", &[&format!("origin: http://{}", served.address)], "").status, 200);
    assert_eq!(served.fake.told(), [""; 0]);
}

#[test]
fn the_document_has_every_route_and_nothing_else() {
    let served = Served::new(Fake::default(), None);
    let document = served.get("/v1/openapi.json").json();
    let methods = |path: &str, operations: &Value| -> Vec<(String, String)> {
        let methods = operations.as_object().expect("a path has operations").keys();
        methods.map(|method| (path.to_owned(), method.to_uppercase())).collect()
    };
    let paths = document["paths"].as_object().expect("there are paths");
    let told: BTreeSet<_> = paths.iter().flat_map(|(path, operations)| methods(path, operations)).collect();
    let there: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.path.to_owned(), route.method.as_str().to_owned())).collect();
    assert_eq!((told, there.len()), (there, ROUTES.len()));

    // Every reference leads somewhere, and every type is used.
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().expect("there are schemas");
    for (name, schema) in schemas {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name} is not used");
        assert!(schema.is_object(), "{name}");
    }
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap_or_default();
        assert!(schemas.contains_key(name), "{name} is not there");
    }
    let names: BTreeSet<_> = ROUTES.iter().map(|route| route.operation).collect();
    assert_eq!(names.len(), ROUTES.len(), "operations have names of their own");
    assert_eq!(document["paths"]["/healthz"]["get"]["security"], json!([]));
    assert_eq!(schemas["Submission"]["additionalProperties"], false);
}

#[test]
fn answers_are_what_the_document_says() {
    let served = Served::new(Fake::default(), None);
    let document = served.get("/v1/openapi.json").json();
    for route in ROUTES.iter().filter(|route| route.method == Method::GET) {
        let answer = served.get(&route.path.replace("{job}", "flights"));
        let said = &document["paths"][route.path]["get"]["responses"][answer.status.to_string()]["content"];
        let media_type = answer.header("content-type").expect("there is one");
        let schema = &said[media_type]["schema"];
        assert!(schema.is_object(), "{}: {media_type} is not in {said}", route.path);
        if media_type == "application/json" && route.path != "/v1/openapi.json" {
            let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()).expect("it has a name");
            let mut wanted = properties(&document, &document["components"]["schemas"][name]);
            let body = answer.json();
            let given: BTreeSet<_> = body.as_object().expect("an object").keys().cloned().collect();
            wanted.retain(|field| !given.contains(field));
            assert_eq!(wanted, BTreeSet::new(), "{}", route.path);
        }
    }
}

/// The fields of an object, also those of what it is made of.
fn properties(document: &Value, schema: &Value) -> BTreeSet<String> {
    let own = schema["properties"].as_object().into_iter().flat_map(|own| own.keys().cloned());
    let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| {
        let part = part["$ref"]
            .as_str()
            .map_or(part, |path| &document["components"]["schemas"][path.rsplit('/').next().unwrap_or_default()]);
        properties(document, part)
    });
    own.chain(parts).collect()
}
