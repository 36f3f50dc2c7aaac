//! `schema lock` and `schema check`: which types they find, what they write, and when they refuse.
#![allow(clippy::disallowed_methods, reason = "tests stand outside of the engine")]

use std::{fs, path::Path};

use millstream::{
    __private::runtime::cli::{Console, Screen, World, run_with},
    connectors::collect,
    prelude::*,
    registry,
};

#[derive(Record, Clone)]
#[record(rename = "Item")]
struct ItemV1 {
    id: u64,
}

#[derive(Record, Clone)]
#[record(version = 2, from = ItemV1)]
struct Item {
    name: String,
    kind: Kind,
}

#[derive(Record, Clone)]
enum Kind {
    Plain,
    Packed { pieces: u32 },
}

impl From<ItemV1> for Item {
    fn from(old: ItemV1) -> Self {
        let kind = if old.id == 0 { Kind::Plain } else { Kind::Packed { pieces: 1 } };
        Self { name: old.id.to_string(), kind }
    }
}

#[derive(State, Default)]
struct Account {
    count: u64,
    items: MapState<String, Vec<Item>>,
}

#[derive(Clone)]
struct Accounts;

#[process]
impl Accounts {
    fn on_record(&mut self, index: u64, account: &mut StateOf<Account>, cx: &mut KeyedContext<'_, u64, u64>) {
        account.count += index;
        account.items.insert("all", Vec::new());
        cx.emit(account.count);
    }
}

#[job]
fn accounts(job: &mut Job) {
    job.source(records(vec![1_u64])).key_by(|index| index).process(Accounts).uid("accounts").sink(collect().sink());
}

#[derive(clap::Args)]
struct BelowArgs {
    #[arg(long)]
    below: u64,
}

#[derive(Record, Clone)]
struct Limit {
    below: u64,
}

#[derive(OperatorState, Default)]
struct Limits {
    #[state(list)]
    limits: Vec<Limit>,
}

#[derive(Clone)]
struct Below(u64);

#[process]
impl Below {
    fn on_record(&mut self, index: u64, limits: &mut Limits, cx: &mut Context<'_, u64>) {
        limits.limits.push(Limit { below: self.0 });
        cx.emit(index);
    }
}

#[job]
fn below(job: &mut Job, args: BelowArgs) {
    job.source(records(vec![1_u64])).process(Below(args.below)).uid("below").sink(collect().sink());
}

/// Calls the command line in a directory: the exit code, and what it puts out.
fn call(dir: &Path, args: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let log = dir.join("err");
    let err = fs::File::create(&log).expect("there is room");
    let world = World { directory: dir.to_owned(), ..World::default() };
    let mut console = Console { out: &mut out, err: Screen::new(err), world };
    let code = run_with(&registry::jobs(), ["binary"].iter().chain(args).map(Into::into), &mut console);
    drop(console);
    let err = fs::read_to_string(log).expect("it is there");
    (code, String::from_utf8(out).expect("it is text") + &err)
}

#[test]
fn types_are_locked_and_compared() {
    let dir = tempfile::tempdir().expect("there is room");
    let (dir, file) = (dir.path(), dir.path().join("millstream.lock"));
    let (code, said) = call(dir, &["schema", "check"]);
    assert_eq!(code, 1, "{said}");
    for part in ["is not up to date", "new Account, version 1: struct { count: u64 }", "`binary schema lock`"] {
        assert!(said.contains(part), "{said}");
    }

    let (code, said) = call(dir, &["schema", "lock"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("new Item, version 2: struct { name: String, kind: Kind }"), "{said}");
    assert!(said.contains("job `below` is left out") && said.contains("schema lock below --below <BELOW>"), "{said}");
    let locked = fs::read_to_string(&file).expect("it was written");
    let hash = |schema: &millstream::__private::core::schema::Schema| format!("{:016x}", schema.lock_hash());
    for line in [
        format!("v1 {} Item\n  struct {{ id: u64 }}\n", hash(ItemV1::SCHEMA)),
        format!("v2 {} Item\n", hash(Item::SCHEMA)),
        format!("v1 {} Kind\n  enum {{ Plain {{}}, Packed {{ pieces: u32 }} }}\n", hash(Kind::SCHEMA)),
    ] {
        assert!(locked.contains(&line), "{locked}");
    }
    assert!(!locked.contains("Limit"), "{locked}");
    assert_eq!(call(dir, &["schema", "check"]).0, 0);
    let (code, said) = call(dir, &["schema", "lock"]);
    assert!(code == 0 && said.contains("is up to date"), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), locked);

    let (code, said) = call(dir, &["schema", "lock", "below", "--below", "3"]);
    assert!(code == 0 && said.contains("new Limit, version 1"), "{said}");
    assert_eq!(call(dir, &["schema", "check"]).0, 0, "what was there has stayed");

    // As it would be had the type another layout when it was locked.
    let other = locked.replace(&hash(Item::SCHEMA), "00000000000000ff");
    fs::write(&file, &other).expect("there is room");
    let (code, said) = call(dir, &["schema", "lock"]);
    assert!(code == 1 && said.contains("changed Item, version 2") && said.contains("--force"), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), other);
    let (code, said) = call(dir, &["schema", "check", "--json"]);
    assert!(code == 1 && said.contains("\"changed\": [\n    {\n"), "{said}");
    assert_eq!(call(dir, &["schema", "lock", "--force"]).0, 0);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), locked);

    fs::write(&file, "<<<<<<< HEAD\n").expect("there is room");
    let (code, said) = call(dir, &["schema", "lock"]);
    assert!(code == 1 && said.contains("line 1 is none of a lock file"), "{said}");
}
