// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server-sent events (HTML Living Standard, section 9.2): one log of events for each path. The owner's thread adds to
//! it, each page reads on at its own pace on the server's. A page that is too far behind is cut off; it comes back with
//! the id of the last event that it saw.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Response, StatusCode};
use moonport_core::fork;

use crate::accept::Site;
use crate::answer::{self, Content};
use crate::connection::Link;

/// Bytes of events that a page may leave unread before one more cuts it off.
const BEHIND: usize = 1 << 20;

/// What an event costs beside its text.
const OVERHEAD: usize = 64;

/// Milliseconds until a page that was cut off connects again.
const RETRY: u32 = 1000;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Why an event was not sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The name would not arrive as it is.
    #[error("expected an event name without line breaks, got {0:?}")]
    Name(String),
    /// The pages belong to the parent.
    #[error("the server belongs to the parent of this forked process")]
    Forked,
}

/// The pages that listen on one path, see [`crate::Routes::add_events`]. Ids, history and this handle outlive a stop of
/// the server.
///
/// Thread: any. Blocks: only while another thread adds or takes an event.
#[derive(Clone, Debug)]
pub struct Events {
    log: Arc<Mutex<Log>>,
    fork: u32,
}

impl Events {
    /// `history`: events kept for pages that come back.
    pub(crate) fn new(history: usize) -> Self {
        let log = Log { history, ..Log::default() };
        Self { log: Arc::new(Mutex::new(log)), fork: fork::generation() }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_fork(&self) -> Result<(), EventError> {
        if self.fork == fork::generation() { Ok(()) } else { Err(EventError::Forked) }
    }

    /// Sends to every page, and gives how many there are. Pages see data with line breaks of any kind as lines that end
    /// in LF.
    ///
    /// # Errors
    /// [`EventError`]: the name is empty or has a line break or NUL; this is a forked child.
    pub fn send(&self, data: &str, name: Option<&str>) -> Result<usize, EventError> {
        if let Some(name) = name.filter(|name| name.is_empty() || name.contains(['\r', '\n', '\0'])) {
            return Err(EventError::Name(name.to_owned()));
        }
        self.check_fork()?;
        let (count, wakers) = self.lock().add(data, name);
        wakers.into_iter().for_each(Waker::wake);
        Ok(count)
    }

    /// How many pages listen now.
    ///
    /// # Errors
    /// This is a forked child.
    pub fn count(&self) -> Result<usize, EventError> {
        self.check_fork()?;
        Ok(self.lock().pages.len())
    }
}

#[derive(Debug, Default)]
struct Log {
    history: usize,
    /// The id of the newest event; the first has 1.
    last: u64,
    /// The newest events as they are written, the last one at the back.
    events: VecDeque<Bytes>,
    pages: BTreeMap<u64, Reader>,
    joined: u64,
}

/// Where a page is in the log.
#[derive(Debug)]
struct Reader {
    /// The id of the event that it reads next.
    next: u64,
    /// Bytes that wait for it, and how many may.
    behind: usize,
    limit: usize,
    waker: Option<Waker>,
    /// It is on its way to read on.
    woken: bool,
    cut: Arc<AtomicBool>,
}

impl Log {
    /// The id of the oldest event that is kept.
    fn first(&self) -> u64 {
        self.last + 1 - self.events.len() as u64
    }

    /// Adds an event; gives how many pages get it and whom to wake.
    fn add(&mut self, data: &str, name: Option<&str>) -> (usize, Vec<Waker>) {
        self.last += 1;
        let event = write(self.last, data, name);
        let size = event.len() + OVERHEAD;
        let mut wakers = Vec::new();
        self.pages.retain(|_, page| {
            let fits = page.behind <= page.limit;
            if fits {
                page.behind += size;
            } else {
                // Pairs with the load in `Cut::is_set`; the page's own lock orders the rest.
                page.cut.store(true, Ordering::Relaxed);
            }
            if !fits || !page.woken {
                page.woken = true;
                wakers.extend(page.waker.clone());
            }
            fits
        });
        self.events.push_back(event);
        self.trim();
        (self.pages.len(), wakers)
    }

    /// Forgets what is neither history nor waited for.
    fn trim(&mut self) {
        let wanted = self.pages.values().map(|page| page.next).min().unwrap_or(self.last + 1);
        while self.events.len() > self.history && self.first() < wanted {
            self.events.pop_front();
        }
    }

    /// Adds a page that has seen the event `seen`; gives its number, its flag and what is written first.
    fn join(&mut self, seen: Option<u64>) -> (u64, Cut, Bytes) {
        let next = match seen {
            None => self.last + 1,
            // An id that is still to come is of another life of this program: all events are new to that page.
            Some(seen) if seen > self.last => self.first(),
            Some(seen) => self.first().max(seen + 1),
        };
        let missed = usize::try_from(self.last + 1 - next).unwrap_or(usize::MAX);
        let behind = self.events.iter().rev().take(missed).map(|event| event.len() + OVERHEAD).sum();
        let cut = Arc::new(AtomicBool::new(false));
        let page = Reader { next, behind, limit: behind + BEHIND, waker: None, woken: true, cut: Arc::clone(&cut) };
        self.joined += 1;
        self.pages.insert(self.joined, page);
        // A page that leaves before its first event can tell by the id what it missed.
        let id = if self.history > 0 { format!("id: {}\n", next - 1) } else { String::new() };
        (self.joined, Cut(cut), format!("{id}retry: {RETRY}\n\n").into())
    }

    /// The next event of a page, or a wake-up when it comes. `None`: the page was cut off.
    fn take(&mut self, number: u64, waker: &Waker) -> Option<Poll<Bytes>> {
        let first = self.first();
        let page = self.pages.get_mut(&number)?;
        let event = page.next.checked_sub(first).and_then(|at| self.events.get(usize::try_from(at).ok()?));
        let Some(event) = event else {
            if page.waker.is_none() {
                page.waker = Some(waker.clone());
            }
            page.woken = false;
            return Some(Poll::Pending);
        };
        page.next += 1;
        page.behind = page.behind.saturating_sub(event.len() + OVERHEAD);
        Some(Poll::Ready(event.clone()))
    }

    fn leave(&mut self, number: u64) {
        self.pages.remove(&number);
        self.trim();
    }
}

/// One event as it is sent.
fn write(id: u64, data: &str, name: Option<&str>) -> Bytes {
    let mut event = format!("id: {id}\n");
    if let Some(name) = name {
        event.extend(["event: ", name, "\n"]);
    }
    event.reserve(data.len() + 8);
    let mut rest = data;
    while let Some(at) = rest.find(['\r', '\n']) {
        event.extend(["data: ", &rest[..at], "\n"]);
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + length..];
    }
    event.extend(["data: ", rest, "\n\n"]);
    event.into()
}

/// Is set when a page has been cut off.
#[derive(Debug)]
pub(crate) struct Cut(Arc<AtomicBool>);

impl Cut {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers a page that wants to listen.
pub(crate) fn answer(
    events: &Events,
    site: &Rc<Site>,
    link: &Rc<Link>,
    method: &Method,
    headers: &HeaderMap,
) -> Response<Content> {
    let page = (*method != Method::HEAD).then(|| {
        let (number, cut, hello) = events.lock().join(last_id(headers));
        site.counters.pages.one();
        link.watch(cut);
        Page { events: events.clone(), number, site: Rc::clone(site), link: Rc::clone(link), hello }
    });
    let mut response = answer::empty(StatusCode::OK);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // nginx would keep events back.
    fields.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response.map(|_| Content::Events(page))
}

fn last_id(headers: &HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    let value = values.next()?.to_str().ok()?.trim();
    if values.next().is_some() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    value.parse().ok()
}

/// A page that listens: the body of its answer.
pub(crate) struct Page {
    events: Events,
    number: u64,
    site: Rc<Site>,
    link: Rc<Link>,
    hello: Bytes,
}

impl Page {
    /// What is written next; `None` at the end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.site.is_stopping() {
            return Poll::Ready(None);
        }
        let beat = self.link.take_beat();
        if !self.hello.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.hello))));
        }
        let waker = self.link.gathered(&self.site, context.waker());
        match self.events.lock().take(self.number, waker) {
            None => Poll::Ready(Some(Err(io::Error::other("the page reads too slowly")))),
            Some(Poll::Ready(event)) => Poll::Ready(Some(Ok(event))),
            // A comment, which pages skip.
            Some(Poll::Pending) if beat => Poll::Ready(Some(Ok(Bytes::from_static(b":\n\n")))),
            Some(Poll::Pending) => Poll::Pending,
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.events.lock().leave(self.number);
        self.site.counters.pages.one_less();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn events_are_written_line_by_line() {
        assert_eq!(text(&write(1, "a", None)), "id: 1\ndata: a\n\n");
        assert_eq!(text(&write(2, "", Some("tick"))), "id: 2\nevent: tick\ndata: \n\n");
        assert_eq!(text(&write(3, "a\nb\r\nc\rd\n", None)), "id: 3\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
        assert_eq!(text(&write(4, "\n\r", None)), "id: 4\ndata: \ndata: \ndata: \n\n");
        assert_eq!(text(&write(5, "ü\u{2028}", None)), "id: 5\ndata: ü\u{2028}\n\n");
    }

    #[test]
    fn names_are_checked() {
        let events = Events::new(0);
        for bad in ["", "a\nb", "a\rb", "\0"] {
            assert_eq!(events.send("x", Some(bad)), Err(EventError::Name(bad.to_owned())));
        }
        assert_eq!(events.send("x", Some("ein Name")), Ok(0));
    }

    /// All that waits for a page.
    fn read(log: &mut Log, number: u64) -> Vec<u64> {
        let mut ids = Vec::new();
        while let Some(Poll::Ready(event)) = log.take(number, Waker::noop()) {
            let line = text(&event).lines().next().unwrap();
            ids.push(line.strip_prefix("id: ").unwrap().parse().unwrap());
        }
        ids
    }

    #[test]
    fn a_page_that_comes_back_gets_what_it_missed() {
        let mut log = Log { history: 3, ..Log::default() };
        for _ in 0..5 {
            log.add("x", None);
        }
        assert_eq!(log.events.len(), 3);
        let mut joined = |seen| {
            let (number, _, hello) = log.join(seen);
            (text(&hello).lines().next().unwrap().to_owned(), read(&mut log, number))
        };
        assert_eq!(joined(None), ("id: 5".to_owned(), vec![]));
        assert_eq!(joined(Some(5)), ("id: 5".to_owned(), vec![]));
        assert_eq!(joined(Some(4)), ("id: 4".to_owned(), vec![5]));
        assert_eq!(joined(Some(2)), ("id: 2".to_owned(), vec![3, 4, 5]));
        assert_eq!(joined(Some(1)), ("id: 2".to_owned(), vec![3, 4, 5]), "the rest is forgotten");
        assert_eq!(joined(Some(77)), ("id: 2".to_owned(), vec![3, 4, 5]), "of another life");
        assert_eq!(joined(Some(u64::MAX)).1, [3, 4, 5]);
        log.add("x", None);
        assert_eq!(read(&mut log, 1), [6]);
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let mut log = Log::default();
        log.add("x", None);
        assert_eq!(log.events.len(), 0);
        let (slow, ..) = log.join(None);
        let (quick, ..) = log.join(None);
        for _ in 0..3 {
            assert_eq!(log.add("x", None).0, 2);
        }
        assert_eq!(read(&mut log, quick), [2, 3, 4]);
        assert_eq!(log.events.len(), 3);
        log.leave(slow);
        assert_eq!(log.events.len(), 0);
        log.add("x", None);
        assert_eq!(read(&mut log, quick), [5]);
    }

    #[test]
    fn a_page_too_far_behind_is_cut_off_and_others_go_on() {
        let mut log = Log { history: 4, ..Log::default() };
        let (slow, cut, _) = log.join(None);
        let (quick, ..) = log.join(None);
        let large = "x".repeat(BEHIND);
        assert_eq!(log.add(&large, None).0, 2, "one event of any size fits");
        assert_eq!(read(&mut log, quick), [1]);
        assert!(!cut.is_set());
        assert_eq!(log.add("x", None).0, 1);
        assert!(cut.is_set());
        assert!(log.take(slow, Waker::noop()).is_none());
        assert_eq!(read(&mut log, quick), [2]);

        // What it missed may be more than that when it comes back.
        log.add(&large, None);
        assert_eq!(read(&mut log, quick), [3]);
        let (back, cut, _) = log.join(Some(0));
        assert_eq!(log.add("x", None).0, 2);
        assert!(!cut.is_set());
        assert_eq!(read(&mut log, back), [1, 2, 3, 4]);
    }

    #[test]
    fn a_page_is_woken_once_until_it_reads() {
        #[derive(Default)]
        struct Count(std::sync::atomic::AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut log = Log::default();
        let (page, ..) = log.join(None);
        for round in 1..3 {
            while log.take(page, &waker).is_some_and(|event| event.is_ready()) {}
            for _ in 0..5 {
                log.add("x", None).1.into_iter().for_each(Waker::wake);
            }
            assert_eq!(count.0.load(Ordering::Relaxed), round);
        }
    }

    #[test]
    fn ids_of_pages_are_numbers() {
        let seen = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(LAST_EVENT_ID, HeaderValue::from_static(value));
            }
            last_id(&headers)
        };
        assert_eq!(seen(&["17"]), Some(17));
        for bad in [&[][..], &[""], &["+1"], &["-1"], &["1.5"], &["x"], &["99999999999999999999"], &["1", "1"]] {
            assert_eq!(seen(bad), None, "{bad:?}");
        }
    }
}
