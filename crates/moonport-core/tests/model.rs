// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random operations of one thread, each compared with a mailbox so simple that one can see it is right.
#![cfg(not(loom))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use moonport_core::{Mailbox, Message, Overflow, Payload, PortKey, PortOptions, SendError, Sender, Sent};

const POLICIES: [Overflow; 4] = [Overflow::Error, Overflow::DropNew, Overflow::DropOld, Overflow::Latest];

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("small")
    }
}

struct Port {
    key: PortKey,
    sender: Sender,
    policy: Overflow,
    capacity: usize,
    capacity_bytes: usize,
    listening: bool,
    is_open: bool,
    counts: [u64; 4],
}

/// What waits: its port's number, its tag and its size, in the order of delivery.
type Waiting = Vec<(usize, u32, usize)>;

impl Port {
    fn fits(&self, at: usize, waiting: &Waiting, size: usize) -> bool {
        let ours = || waiting.iter().filter(|entry| entry.0 == at);
        ours().count() < self.capacity && ours().map(|entry| entry.2).sum::<usize>() + size <= self.capacity_bytes
    }

    /// What a send should give, with its effect on what waits.
    fn offer(&mut self, at: usize, waiting: &mut Waiting, tag: u32, size: usize) -> Result<Sent, SendError> {
        if !self.is_open {
            return Err(SendError::Closed);
        }
        if size > self.capacity_bytes {
            self.counts[3] += 1;
            return Err(SendError::TooBig);
        }
        let mut result = Sent::Taken;
        while !self.fits(at, waiting, size) {
            let oldest = waiting.iter().position(|entry| entry.0 == at).expect("it is full");
            match self.policy {
                Overflow::DropNew => {
                    self.counts[2] += 1;
                    return Ok(Sent::Dropped);
                }
                Overflow::DropOld => {
                    waiting.remove(oldest);
                }
                Overflow::Latest => {
                    self.counts[0] += 1;
                    self.counts[2] += 1;
                    waiting[oldest] = (at, tag, size);
                    return Ok(Sent::Replaced);
                }
                _ => {
                    self.counts[3] += 1;
                    return Err(SendError::Full);
                }
            }
            self.counts[2] += 1;
            result = Sent::Replaced;
        }
        waiting.push((at, tag, size));
        self.counts[0] += 1;
        Ok(result)
    }
}

fn open(mailbox: &mut Mailbox, random: &mut Random) -> Port {
    let policy = POLICIES[random.below(POLICIES.len())];
    let capacity = if policy == Overflow::Latest { 1 } else { 1 + random.below(5) };
    let capacity_bytes = 20 + random.below(100);
    let options = PortOptions { capacity, capacity_bytes, overflow: policy, ..PortOptions::default() };
    let key = mailbox.open(options).expect("a port");
    let sender = mailbox.sender(key).expect("open");
    Port { key, sender, policy, capacity, capacity_bytes, listening: false, is_open: true, counts: [0; 4] }
}

fn check(message: Option<Box<Message>>, expected: Option<(usize, u32, usize)>, ports: &mut [Port]) -> u64 {
    let Some((at, tag, size)) = expected else {
        assert!(message.is_none(), "unexpected {message:?}");
        return 0;
    };
    let message = message.unwrap_or_else(|| panic!("message {tag} of port {at} is missing"));
    assert_eq!((message.port, message.tag, message.payload.size()), (ports[at].key, tag, size));
    ports[at].counts[1] += 1;
    message.sequence
}

fn play(seed: u64, steps: usize) {
    let mut random = Random(seed);
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let mut ports: Vec<_> = (0..4).map(|_| open(&mut mailbox, &mut random)).collect();
    let mut waiting = Waiting::new();
    for step in 0..u32::try_from(steps).expect("small") {
        let at = random.below(ports.len());
        match random.below(16) {
            0..=8 => {
                let size = random.below(60);
                let expected = ports[at].offer(at, &mut waiting, step, size);
                assert_eq!(ports[at].sender.send(Payload::raw(&vec![0; size]), step), expected, "seed {seed}");
            }
            9..=11 => {
                let expected = waiting.iter().position(|entry| ports[entry.0].listening).map(|i| waiting.remove(i));
                check(mailbox.next(), expected, &mut ports);
            }
            12 => {
                let expected = waiting.iter().position(|entry| entry.0 == at).map(|i| waiting.remove(i));
                check(mailbox.take(ports[at].key), expected, &mut ports);
            }
            13 => mailbox.rest(),
            14 => {
                ports[at].listening = random.below(3) > 0;
                mailbox.listen(ports[at].key, ports[at].listening && ports[at].is_open);
            }
            _ if random.below(8) == 0 => {
                mailbox.close(ports[at].key);
                waiting.retain(|entry| entry.0 != at);
                mailbox.release(ports[at].key);
                ports[at] = open(&mut mailbox, &mut random);
            }
            _ => {
                let stats = ports[at].sender.stats().expect("not released");
                let ours = waiting.iter().filter(|entry| entry.0 == at);
                let [sent, delivered, dropped, refused] = ports[at].counts;
                assert_eq!((stats.sent, stats.delivered), (sent, delivered), "seed {seed}");
                assert_eq!((stats.dropped, stats.refused), (dropped, refused), "seed {seed}");
                assert_eq!(stats.waiting, ours.count() as u64, "seed {seed}");
            }
        }
        while mailbox.event().is_some() {}
    }
    for port in &mut ports {
        port.listening = true;
        mailbox.listen(port.key, true);
    }
    let mut last = 0;
    for expected in std::mem::take(&mut waiting) {
        let sequence = check(mailbox.next(), Some(expected), &mut ports);
        assert!(sequence > last, "seed {seed}");
        last = sequence;
    }
    assert!(mailbox.next().is_none());
}

#[test]
fn every_step_does_what_the_model_does() {
    let (games, steps) = if cfg!(miri) { (2, 150) } else { (400, 1000) };
    for game in 1..=games {
        play(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(game), steps);
    }
}
