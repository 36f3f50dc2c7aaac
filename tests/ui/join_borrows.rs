//! A join whose closure returns what borrows from a record.

use millstream::prelude::*;

#[derive(Record)]
struct Person {
    id: u64,
    name: String,
}

#[job]
fn names(job: &mut Job) {
    let left = job.source(records(vec![1_u64])).key_by(|number| number);
    let right = job.source(records(Vec::<Person>::new())).key_by(|person| person.id);
    left.join(right).inner(|_, person| person.name).map(|name| name.len() as u64).sink(print());
}

fn main() {}
