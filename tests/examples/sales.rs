//! `sale_windows`: what it appends, and what it says when its server fails.

use std::{collections::BTreeMap, fs, io::Write, net::TcpListener, process::Command, thread};

use crate::program::{ROOT, binary, run, start};

/// A port that nothing listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Profit and count by month, product and category.
type Totals = BTreeMap<Vec<String>, (i64, i64)>;

/// Adds up lines of month, product, category, profit, count.
fn totals<'l>(lines: impl Iterator<Item = &'l str>) -> Totals {
    let mut totals = Totals::new();
    for line in lines {
        let fields: Vec<_> = line.split(',').map(|field| field.trim().to_owned()).collect();
        let [_, _, _, profit, count] = &fields[..] else { panic!("`{line}` has {} fields", fields.len()) };
        let total = totals.entry(fields[..3].to_vec()).or_default();
        total.0 += profit.parse::<i64>().expect("a profit is a number");
        total.1 += count.parse::<i64>().expect("a count is a number");
    }
    totals
}

#[test]
fn the_windows_together_hold_every_sale_once() {
    let scratch = tempfile::tempdir().expect("there is room for a file");
    let output = scratch.path().join("sales.txt");
    let port = free_port().to_string();
    run("sale_windows", &["--port", &port, "--pause", "0", "--output", &output.display().to_string()]).well();
    let expected = fs::read_to_string(format!("{ROOT}/examples/expected/sale_windows.csv")).expect("it is there");
    let appended = fs::read_to_string(output).expect("the job wrote it");
    assert_eq!(totals(appended.lines()), totals(expected.lines().skip(1)));
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    run("sale_windows", &["--port", &port]).failed_saying(&["cannot listen on port", &port, "in use", "--port"]);
}

#[test]
fn a_server_that_is_not_there() {
    let server = format!("127.0.0.1:{}", free_port());
    let words = ["job `sale_windows` failed", "source socket", "examples/sale_windows.rs:", &server, "refused"];
    run("sale_windows", &["--connect", &server]).failed_saying(&words);
}

#[test]
fn a_server_that_goes_away_in_the_middle_of_a_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let server = listener.local_addr().expect("it is bound").to_string();
    let serving = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the example connects");
        client.write_all(b"2024-06-10,June,grain,rye,44\n2024-06-1").expect("the example reads");
    });
    let output = tempfile::tempdir().expect("there is room for a file");
    let output = output.path().join("sales.txt").display().to_string();
    let ran = run("sale_windows", &["--connect", &server, "--output", &output]);
    serving.join().expect("the server does not panic");
    ran.failed_saying(&["job `sale_windows` failed", "source socket", &server, "in the middle of line 2"]);
}

#[test]
fn a_disk_without_room() {
    let scratch = tempfile::tempdir().expect("there is room for a directory");
    let output = scratch.path().join("sales.txt").display().to_string();
    let (program, port) = (binary("sale_windows"), free_port());
    let limited =
        format!("ulimit -f 0; exec {} run --quiet --port {port} --pause 0 --output {output}", program.display());
    let ran = start(Command::new("sh").args(["-c", &limited]));
    ran.failed_saying(&["job `sale_windows` failed", "sink", "cannot write", "sales.txt"]);
}

#[test]
fn a_line_that_is_no_sale() {
    let scratch = tempfile::tempdir().expect("there is room for a file");
    let sales = scratch.path().join("sales.txt");
    fs::write(&sales, "2024-06-10,June,grain,rye,plenty\n").expect("there is room for a file");
    let port = free_port().to_string();
    let output = scratch.path().join("out.txt").display().to_string();
    let sales = sales.display().to_string();
    let ran = run("sale_windows", &["--port", &port, "--sales", &sales, "--pause", "0", "--output", &output]);
    ran.failed_saying(&["operator `map sale` (examples/sale_windows.rs:", "rye,plenty", "invalid digit"]);
}
