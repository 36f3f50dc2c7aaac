//! The client against the server.

use std::sync::{Arc, PoisonError};

use super::{
    Served,
    fake::{FLIGHTS, Fake, SUBMITTED},
};
use crate::{
    env::{Env, TokioEnv},
    rest::{
        client::{Address, Client, ClientError},
        dispatcher::Refused,
        submission::{Rescale, Submission},
        views::JobState,
    },
};

#[test]
fn the_client_understands_every_answer() {
    let served = Served::new(Fake::default(), Some("s3cret"));
    served.ask(Some("s3cret"), async |client| {
        let told = "the server answers";
        assert_eq!(client.overview().await.expect(told).jobs[&JobState::Running], 2);
        assert_eq!(client.jobs().await.expect(told).jobs.len(), 5);
        let job = client.job("flights").await.expect(told);
        assert_eq!((job.summary.id, job.vertices[0].subtasks.len()), (FLIGHTS.to_string(), 2));
        assert_eq!(client.exceptions("f1a9").await.expect(told).exceptions[0].followed_by, 2);
        assert_eq!(client.checkpoints("f1a9").await.expect(told).history.len(), 2);
        assert_eq!(client.taskmanagers().await.expect(told).taskmanagers[0].slots, 4);
        assert_eq!(client.binary_jobs().await.expect(told).jobs[0].name, "flights");
        assert_eq!(client.config().await.expect(told).settings[0].key, "memory");
        let submission = Submission { args: vec!["größe \"x\"".to_owned()], ..Submission::default() };
        assert_eq!(client.submit(&submission).await.expect(told).job, SUBMITTED.to_string());
        assert_eq!(client.checkpoint("flights").await.expect(told).checkpoint, 8);
        assert_eq!(client.stop("flights").await.expect(told).checkpoint, 9);
        assert_eq!(client.cancel("flights").await.expect(told).job, FLIGHTS.to_string());
        let rescale = Rescale { parallelism: Some(3), ..Rescale::default() };
        assert_eq!(client.rescale("flights", &rescale).await.expect(told).job, FLIGHTS.to_string());
    });
    assert_eq!(served.fake.told().len(), 5);
}

#[test]
fn the_client_says_why_there_is_no_answer() {
    let served = Served::new(Fake::default(), Some("s3cret"));
    served.ask(None, async |client| {
        let error = client.jobs().await.expect_err("there is no token");
        assert!(!error.may_pass() && error.to_string().contains("\nhint: send it as"), "{error}");
    });
    served.ask(Some("s3cret"), async |client| {
        let error = client.job("größe / %").await.expect_err("there is no such job");
        assert!(error.to_string().starts_with("there is no job `größe / %`\nhint: "), "{error}");
        let error = client.job("twins").await.expect_err("there are two");
        assert!(error.to_string().contains(" twins (waiting for slots)"), "{error}");
    });
    let closed = served.url();
    drop(served);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads are to be had");
    runtime.block_on(async {
        let env = TokioEnv::current();
        let client = |url: &str| Client::new(Address::parse(url).expect("an address"), None, Arc::clone(&env) as _);
        let error = client(&closed).jobs().await.expect_err("nobody is there");
        assert!(
            error.may_pass() && error.to_string().starts_with(&format!("no cluster answers at {closed}: ")),
            "{error}"
        );
        // Something that is no cluster: it hangs up, or says something else.
        for said in [
            "",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
            "hello\r\n",
        ] {
            let mut listener = env.network().listen("127.0.0.1:0").await.expect("a port is free");
            let url = format!("http://{}", listener.address());
            let other = async {
                use futures::{AsyncReadExt, AsyncWriteExt};
                let (mut connection, _) =
                    std::future::poll_fn(|cx| listener.poll_accept(cx)).await.expect("it connects");
                let _ = connection.read(&mut [0; 1024]).await;
                connection.write_all(said.as_bytes()).await.expect("it reads");
                connection.close().await.expect("it is there");
            };
            let asking = client(&url);
            let (asked, ()) = futures::future::join(asking.jobs(), other).await;
            let error = asked.expect_err("that is no cluster");
            assert_eq!(error.may_pass(), matches!(error, ClientError::Lost(_)), "{error}");
            assert!(error.to_string().contains(&url), "{error}");
        }
    });
}

#[test]
fn the_client_goes_where_the_leader_is() {
    let (leader, standby) = (Served::new(Fake::default(), None), Served::new(Fake::default(), None));
    let refuse = |refused| *standby.fake.refuses.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
    refuse(Refused::not_leader(Some(leader.url())));
    standby.ask(None, async |client| {
        client.cancel("flights").await.expect("the leader is asked");
    });
    assert_eq!((leader.fake.told(), standby.fake.told()), (vec![format!("cancel {FLIGHTS}")], vec![]));
    // Two that each hold the other for the leader are not asked for ever.
    *leader.fake.refuses.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Refused::not_leader(Some(standby.url())));
    let error = standby.ask(None, async |client| client.jobs().await.expect_err("nobody leads"));
    assert!(error.may_pass() && error.to_string().contains("say that another leads"), "{error}");
    refuse(Refused::not_leader(None));
    let error = standby.ask(None, async |client| client.jobs().await.expect_err("nobody leads"));
    assert!(error.may_pass(), "{error}");
}
