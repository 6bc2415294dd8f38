// SPDX-License-Identifier: MIT OR Apache-2.0
//! One row of the table: what is sent, what must come, and how often the owner may be woken by it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::client::{Answer, Client};
use super::fixture::Fixture;
use super::{LIMIT, show};

/// The server that a row runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// No token, default limits, one listed host, two listed origins.
    Open,
    /// The same with a token.
    Guarded,
    /// Short times for heads and bodies, `idle_time` ten times as long.
    Quick,
    /// A short `idle_time`.
    Idle,
    /// Four connections.
    Few,
    /// Room for one waiting request.
    Narrow,
    /// As `Open`, with no connection but those of one row.
    Crowded,
}

/// Something that must hold for an answer.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    Is(&'static str, &'static str),
    Has(&'static str),
    /// The header is there and contains the text, whatever its case.
    Lists(&'static str, &'static str),
    Without(&'static str),
    Contains(String),
    Lacks(&'static str),
    Body(Vec<u8>),
}

#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Bytes at a time, and the pause after each.
    SendSlowly(Vec<u8>, usize, Duration),
    Pause(Duration),
    HalfClose,
    Answer(Expected),
    /// The connection is closed, and nothing more came.
    Closed,
    /// The connection serves one more request.
    Kept,
    /// After a half-close nothing more comes: no byte sent so far is taken for another request.
    Ends,
    /// Anything that needs more than one connection.
    Run(fn(&Fixture) -> Result<(), String>),
}

#[derive(Clone)]
pub(crate) struct Expected {
    pub(crate) statuses: Vec<u16>,
    pub(crate) to_head: bool,
    /// Closing without an answer is as good.
    pub(crate) or_silence: bool,
    pub(crate) checks: Vec<Check>,
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) on: On,
    pub(crate) woken: RangeInclusive<usize>,
    steps: Vec<Step>,
}

/// A row on [`On::Open`] that must not wake the owner.
pub(crate) fn row(name: impl Into<String>) -> Row {
    Row { name: name.into(), on: On::Open, woken: 0..=0, steps: Vec::new() }
}

/// What nearly all hostile bytes deserve: one of these statuses, the connection closed, the owner asleep.
pub(crate) fn refused(name: impl Into<String>, bytes: impl Into<Vec<u8>>, statuses: &[u16]) -> Row {
    row(name).send(bytes).answer(statuses).closed()
}

impl Row {
    pub(crate) fn on(mut self, on: On) -> Self {
        self.on = on;
        self
    }

    pub(crate) fn woken(self, times: usize) -> Self {
        self.woken_between(times, times)
    }

    pub(crate) fn woken_between(mut self, least: usize, most: usize) -> Self {
        self.woken = least..=most;
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// `$PORT`, `$TOKEN` and `$WRONG` (the token with another last byte) stand for those of the fixture.
    pub(crate) fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Send(bytes.into()))
    }

    pub(crate) fn send_slowly(self, bytes: impl Into<Vec<u8>>, size: usize, milliseconds: u64) -> Self {
        self.step(Step::SendSlowly(bytes.into(), size, Duration::from_millis(milliseconds)))
    }

    pub(crate) fn pause(self, milliseconds: u64) -> Self {
        self.step(Step::Pause(Duration::from_millis(milliseconds)))
    }

    pub(crate) fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    fn expect(self, statuses: &[u16], to_head: bool, or_silence: bool) -> Self {
        self.step(Step::Answer(Expected { statuses: statuses.to_vec(), to_head, or_silence, checks: Vec::new() }))
    }

    pub(crate) fn answer(self, statuses: &[u16]) -> Self {
        self.expect(statuses, false, false)
    }

    /// So many answers of `/fence`, in a row.
    pub(crate) fn many_fences(mut self, count: usize) -> Self {
        for _ in 0..count {
            self = self.answer(&[200]).body("fence");
        }
        self
    }

    pub(crate) fn answer_to_head(self, statuses: &[u16]) -> Self {
        self.expect(statuses, true, false)
    }

    pub(crate) fn answer_or_silence(self, statuses: &[u16]) -> Self {
        self.expect(statuses, false, true)
    }

    pub(crate) fn closed(self) -> Self {
        self.step(Step::Closed)
    }

    pub(crate) fn kept(self) -> Self {
        self.step(Step::Kept)
    }

    pub(crate) fn ends(self) -> Self {
        self.step(Step::Ends)
    }

    pub(crate) fn run(self, run: fn(&Fixture) -> Result<(), String>) -> Self {
        self.step(Step::Run(run))
    }

    fn check(mut self, check: Check) -> Self {
        let Some(Step::Answer(expected)) = self.steps.last_mut() else {
            panic!("{}: a check belongs after an answer", self.name)
        };
        expected.checks.push(check);
        self
    }

    pub(crate) fn is(self, header: &'static str, value: &'static str) -> Self {
        self.check(Check::Is(header, value))
    }

    pub(crate) fn has(self, header: &'static str) -> Self {
        self.check(Check::Has(header))
    }

    pub(crate) fn lists(self, header: &'static str, part: &'static str) -> Self {
        self.check(Check::Lists(header, part))
    }

    pub(crate) fn without(self, header: &'static str) -> Self {
        self.check(Check::Without(header))
    }

    pub(crate) fn contains(self, text: impl Into<String>) -> Self {
        self.check(Check::Contains(text.into()))
    }

    pub(crate) fn lacks(self, text: &'static str) -> Self {
        self.check(Check::Lacks(text))
    }

    pub(crate) fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.check(Check::Body(bytes.into()))
    }

    /// The same in single bytes, where that is not too many: what a parser has to remember between two reads shows here.
    pub(crate) fn in_single_bytes(&self) -> Option<Self> {
        let steps = self.steps.iter().map(|step| match step {
            Step::Send(bytes) if bytes.len() > 1000 => None,
            Step::Send(bytes) => Some(Step::SendSlowly(bytes.clone(), 1, Duration::ZERO)),
            Step::SendSlowly(..) | Step::Run(_) => None,
            other => Some(other.clone()),
        });
        let name = format!("{}, in single bytes", self.name);
        Some(Self { name, on: self.on, woken: self.woken.clone(), steps: steps.collect::<Option<_>>()? })
    }

    /// Runs the row; `Err` says what came instead.
    pub(crate) fn try_on(&self, fixture: &Fixture) -> Result<(), String> {
        let before = fixture.owner.woken();
        let outcome = self.try_steps(fixture);
        fixture.fence().and(outcome)?;
        let woken = fixture.owner.woken() - before;
        if self.woken.contains(&woken) {
            return Ok(());
        }
        Err(format!("the owner was woken {woken} times, expected {:?}", self.woken))
    }

    fn try_steps(&self, fixture: &Fixture) -> Result<(), String> {
        // A row that makes its own connections must not have one more.
        if let [Step::Run(run)] = self.steps[..] {
            return run(fixture);
        }
        let mut client = fixture.client()?;
        let mut said = None;
        for (at, step) in self.steps.iter().enumerate() {
            said = try_step(step, &mut client, fixture).map_err(|error| format!("step {}: {error}", at + 1))?;
        }
        // A row that ends with an answer leaves it to the server whether the connection goes on, but it must keep its
        // word: a client that was not told may have sent the next request already (RFC 9112, 9.6).
        match said {
            Some(Said::Close) => client.closed_within(LIMIT).map_err(|error| format!("said close, but {error}")),
            Some(Said::Keep) => kept(&mut client, fixture).map_err(|error| format!("did not say close, but {error}")),
            None => Ok(()),
        }
    }
}

/// What an answer told about the connection.
enum Said {
    Close,
    Keep,
}

fn try_step(step: &Step, client: &mut Client, fixture: &Fixture) -> Result<Option<Said>, String> {
    match step {
        Step::Send(bytes) => client.send(&fill_in(bytes, fixture)),
        Step::SendSlowly(bytes, size, pause) => client.send_slowly(&fill_in(bytes, fixture), *size, *pause),
        Step::Pause(pause) => std::thread::sleep(*pause),
        Step::HalfClose => client.half_close(),
        Step::Answer(expected) => return expected.judge(client.answer(expected.to_head)?),
        Step::Closed => client.closed_within(LIMIT)?,
        Step::Kept => kept(client, fixture)?,
        Step::Ends => {
            client.half_close();
            client.closed_within(LIMIT)?;
        }
        Step::Run(run) => run(fixture)?,
    }
    Ok(None)
}

fn kept(client: &mut Client, fixture: &Fixture) -> Result<(), String> {
    client.send(&fill_in(b"GET /fence HTTP/1.1\r\nHost: 127.0.0.1:$PORT\r\n\r\n", fixture));
    match client.answer(false)? {
        Some(answer) if answer.status == 200 && answer.body == b"fence" => Ok(()),
        other => Err(format!("the connection does not serve on: {other:?}")),
    }
}

fn fill_in(bytes: &[u8], fixture: &Fixture) -> Vec<u8> {
    let port = fixture.address.port().to_string();
    let last = if fixture.token.ends_with('x') { "y" } else { "x" };
    let wrong = fixture
        .token
        .get(1..)
        .map_or(String::new(), |_| format!("{}{last}", &fixture.token[..fixture.token.len() - 1]));
    let pairs = [("$PORT", &port), ("$TOKEN", &fixture.token), ("$WRONG", &wrong)];
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        match pairs.iter().find(|(name, _)| first == b'$' && rest.starts_with(name.as_bytes())) {
            Some((name, value)) => {
                filled.extend_from_slice(value.as_bytes());
                rest = &rest[name.len()..];
            }
            None => {
                filled.push(first);
                rest = tail;
            }
        }
    }
    filled
}

impl Expected {
    fn judge(&self, answer: Option<Answer>) -> Result<Option<Said>, String> {
        let Some(answer) = answer else {
            if self.or_silence {
                return Ok(None);
            }
            return Err(format!("closed without an answer, expected {:?}", self.statuses));
        };
        let came = || format!("{} {:?} {}", answer.status, answer.headers, show(&answer.body));
        if !self.statuses.contains(&answer.status) {
            return Err(format!("expected {:?}, came {}", self.statuses, came()));
        }
        for check in &self.checks {
            if !check.holds(&answer) {
                return Err(format!("{check:?} does not hold, came {}", came()));
            }
        }
        Ok(Some(if answer.says_close() { Said::Close } else { Said::Keep }))
    }
}

impl Check {
    fn holds(&self, answer: &Answer) -> bool {
        match self {
            Self::Is(name, value) => answer.header(name).is_some_and(|found| found == *value),
            Self::Has(name) => answer.header(name).is_some(),
            Self::Lists(name, part) => {
                answer.header(name).is_some_and(|found| found.to_lowercase().contains(&part.to_lowercase()))
            }
            Self::Without(name) => answer.header(name).is_none(),
            Self::Contains(text) => answer.text().contains(text),
            Self::Lacks(text) => !answer.text().contains(text),
            Self::Body(bytes) => answer.body == *bytes,
        }
    }
}
