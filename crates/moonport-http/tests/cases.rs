// SPDX-License-Identifier: MIT OR Apache-2.0
//! A table of hostile and good requests over real sockets, and a flood. Each row says what must come and how often
//! the owner may be woken; the run reports every row that fails.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use moonport_http::{Config, Limits};

use support::client::{Answer, Client};
use support::fixture::{Fixture, Setup, lock};
use support::row::On;
use support::rows::table;
use support::until;

/// Rows that there are at least.
const LEAST: usize = 800;

const TOKEN: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

#[test]
fn the_table() {
    let directory = Directory::make();
    let rows = table();
    let mut fixtures: HashMap<String, Fixture> = HashMap::new();
    let mut names = HashSet::new();
    let mut failures = Vec::new();
    let mut ran = 0;
    for row in &rows {
        assert!(names.insert(&row.name), "two rows are named {:?}", row.name);
        let fixture = fixtures
            .entry(format!("{:?}", row.on))
            .or_insert_with(|| Fixture::start(setup(row.on, &directory.served())));
        ran += 1;
        if let Err(error) = row.try_on(fixture) {
            failures.push(format!("{:?} on {:?}: {error}", row.name, row.on));
            // What a failed row left behind must not make the next one fail.
            fixtures.remove(&format!("{:?}", row.on));
        }
    }
    for (name, fixture) in fixtures {
        if let Err(error) = fixture.stop() {
            failures.push(format!("stopping {name}: {error}"));
        }
    }
    say(&format!("{ran} rows"));
    assert!(ran == rows.len() && ran >= LEAST, "rows were left out");
    assert!(failures.is_empty(), "{} of {ran} rows failed:\n{}", failures.len(), failures.join("\n"));
}

/// Written past the test harness, which keeps what succeeds to itself.
fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").expect("stdout is open");
}

fn setup(on: On, directory: &Path) -> Setup {
    let config = Config {
        hosts: vec!["app.example".to_owned()],
        origins: vec!["http://localhost:3000".to_owned(), "chrome-extension://abcdefghijklmnop".to_owned()],
        ..Config::default()
    };
    let setup = Setup { config, directory: Some(directory.to_owned()), ..Setup::default() };
    let short = Duration::from_millis(400);
    let quick = Limits { head_time: short, body_time: short, idle_time: Duration::from_secs(5), ..Limits::default() };
    let idle = Limits { idle_time: Duration::from_millis(300), ..Limits::default() };
    match on {
        On::Open | On::Crowded => setup,
        On::Guarded => Setup { config: Config { token: Some(TOKEN.to_owned()), ..setup.config }, ..setup },
        On::Quick => Setup { config: Config { limits: quick, ..setup.config }, ..setup },
        On::Idle => Setup { config: Config { limits: idle, ..setup.config }, ..setup },
        On::Few => Setup { config: Config { max_connections: 4, ..setup.config }, ..setup },
        On::Narrow => Setup { capacity: 1, ..setup },
    }
}

/// A directory to serve, with secrets beside it; removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn make() -> Self {
        let root = std::env::temp_dir().join(format!("moonport-cases-{}", std::process::id()));
        let served = root.join("served");
        std::fs::create_dir_all(&served).expect("a directory");
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("a file");
        write(served.join("index.html"), "<!doctype html><p>the index");
        write(served.join("data.txt"), "0123456789");
        write(root.join("outside.txt"), "outside");
        std::fs::create_dir(served.join("empty")).expect("a directory");
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink(root.join("outside.txt"), served.join("leaves")).expect("a link");
            symlink(&root, served.join("leaves-too")).expect("a link");
            symlink(served.join("data.txt"), served.join("stays")).expect("a link");
            symlink(served.join("loop"), served.join("loop")).expect("a link");
            // Opening a FIFO for reading sleeps until somebody writes.
            let made = std::process::Command::new("mkfifo").arg(served.join("fifo")).status();
            assert!(made.is_ok_and(|status| status.success()), "mkfifo");
            // The name stays when the listener is dropped.
            drop(std::os::unix::net::UnixListener::bind(served.join("socket")).expect("a socket"));
        }
        Self(root)
    }

    fn served(&self) -> PathBuf {
        self.0.join("served")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn stopping_finishes_what_is_in_flight() {
    let fixture = Fixture::start(Setup::default());
    let ask = |target: &str| {
        let mut client = fixture.client().expect("a connection");
        client.send(format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes());
        client
    };
    let mut idle = ask("/echo");
    assert_eq!(idle.answer(false).expect("an answer").expect("an answer").status, 200);
    let mut silent = fixture.client().expect("a connection");
    let mut busy = ask("/slow");
    fixture.owner.wait_until_held(1).expect("the request is held");

    let finished = fixture.begin_stop();
    idle.closed_within(support::LIMIT).expect("an idle connection is closed");
    silent.closed_within(support::LIMIT).expect("a silent connection is closed");
    if let Ok(mut late) = fixture.client() {
        late.send(b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        assert!(late.answer(false).expect("an end").is_none(), "served after the stop");
    }
    assert!(finished.try_recv().is_err(), "finished before its last request was");
    assert_eq!(fixture.owner.answer_held(), 1, "the request in flight was not cancelled");
    let answer = busy.answer(false).expect("an answer").expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.says_close(), "{answer:?}");
    busy.closed_within(support::LIMIT).expect("closed after its answer");
    finished.recv_timeout(support::LIMIT).expect("the server has finished");
    assert_eq!(fixture.owner.woken(), 2);
}

#[test]
fn aborting_cancels_what_is_in_flight() {
    let mut fixture = Fixture::start(Setup::default());
    let mut client = fixture.client().expect("a connection");
    client.send(b"GET /slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    fixture.owner.wait_until_held(1).expect("the request is held");
    fixture.abort();
    assert!(lock(&fixture.owner.held)[0].reply.is_cancelled());
    assert!(client.answer(false).expect("an end").is_none());
    assert!(fixture.client().is_err(), "still listening");
}

const FLOOD: usize = 2000;
const ROOM: usize = 1024;

/// 2,000 requests on 2,000 connections while the owner sleeps: as many as fit are answered when it wakes, the others
/// are refused at once.
#[test]
fn a_flood_is_answered_or_refused_and_nothing_is_lost() {
    assert_descriptors(6000);
    let config = Config { max_connections: 2100, deadline: Duration::from_secs(120), ..Config::default() };
    let fixture = Fixture::start(Setup { config, capacity: ROOM, ..Setup::default() });
    let mut blocker = fixture.client().expect("a connection");
    blocker.send(b"GET /block HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    fixture.owner.wait_until_blocked().expect("the owner sleeps");

    let mut clients: Vec<(usize, Client)> = (0..FLOOD)
        .map(|id| {
            let mut client = fixture.client().expect("a connection");
            let body = format!("body {id}");
            let length = body.len();
            client.send(
                format!(
                    "POST /echo?id={id} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
                .as_bytes(),
            );
            (id, client)
        })
        .collect();
    until("1,024 waiting and 976 refused", || fixture.queue() == (ROOM as u64, (FLOOD - ROOM) as u64))
        .unwrap_or_else(|error| panic!("{error}, but {:?}", fixture.queue()));

    let refused = answers_without_the_owner(&mut clients, FLOOD - ROOM);
    assert_eq!(refused.len(), FLOOD - ROOM, "refused at once");
    for (id, answer) in &refused {
        assert_eq!(answer.status, 503, "{id}: {answer:?}");
        assert!(answer.header("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()), "{id}: {answer:?}");
    }
    assert_eq!(fixture.owner.woken(), 1, "only the sleeping handler was called");

    fixture.owner.release();
    assert_eq!(blocker.answer(false).expect("an answer").expect("an answer").status, 200);
    let refused: HashSet<usize> = refused.into_iter().map(|(id, _)| id).collect();
    let mut answered = HashSet::new();
    for (id, client) in &mut clients {
        if !refused.contains(id) {
            let answer = client.answer(false).expect("an answer").unwrap_or_else(|| panic!("{id} was lost"));
            assert_eq!(answer.status, 200, "{id}: {answer:?}");
            let text = answer.text();
            assert!(
                text.contains(&format!("query <id={id}>\n")) && text.contains(&format!("body <body {id}>\n")),
                "{id}: {text}"
            );
            answered.insert(*id);
        }
        client.closed_within(support::LIMIT).unwrap_or_else(|error| panic!("{id}: {error}"));
    }
    assert_eq!(answered.len(), ROOM, "answered after the release");

    let ids = lock(&fixture.owner.ids).clone();
    let distinct: HashSet<usize> = ids.iter().map(|id| id.parse().expect("a number")).collect();
    assert_eq!(ids.len(), ROOM, "each reached the owner once");
    assert_eq!(distinct, answered, "the owner saw what was answered and nothing else");
    assert_eq!(fixture.owner.woken(), ROOM + 1);
    fixture.stop().expect("the server stops");
}

/// The answers that come while the owner sleeps, until `wanted` of them are there or none has come for a while.
fn answers_without_the_owner(clients: &mut [(usize, Client)], wanted: usize) -> Vec<(usize, Answer)> {
    let mut answers = Vec::new();
    let mut seen = HashSet::new();
    let mut last = Instant::now();
    while answers.len() < wanted && last.elapsed() < support::LIMIT {
        for (id, client) in &mut *clients {
            if seen.contains(id) {
                continue;
            }
            if let Some(answer) = client.answer_now().unwrap_or_else(|error| panic!("{id}: {error}")) {
                seen.insert(*id);
                answers.push((*id, answer));
                last = Instant::now();
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    answers
}

/// Both ends of each connection are in this process.
fn assert_descriptors(wanted: u64) {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return };
    let open: Option<u64> = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|soft| soft.parse().ok());
    if let Some(open) = open {
        assert!(open >= wanted, "this test needs {wanted} descriptors but may open {open}: raise `ulimit -n`");
    }
}
