use std::fs;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::output::{Output, Target};
use super::{Counts, Sink};

const QUEUE_BYTES: usize = 2 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// An output whose health the test decides.
#[derive(Clone, Default)]
struct Fake(Arc<(Mutex<Health>, Condvar)>);

#[derive(Default)]
struct Health {
    taken: Vec<u8>,
    is_stuck: bool,
    /// Bytes it still takes before it is full.
    room: Option<usize>,
    is_nonblocking_full: bool,
}

impl Output for Fake {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (health, changed) = &*self.0;
        let mut health = changed.wait_while(health.lock().unwrap(), |health| health.is_stuck).unwrap();
        if health.is_nonblocking_full {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(health.room.unwrap_or(1_000));
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        health.room = health.room.map(|room| room.saturating_sub(count));
        health.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn reopen(&mut self) -> io::Result<bool> {
        self.set(|health| health.room = None);
        Ok(!self.text().is_empty())
    }
}

impl Fake {
    fn set(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().taken.clone()).unwrap()
    }

    fn sink(&self) -> (Sink, Arc<Counts>) {
        let sink = Sink::start(Target::Stdout, Box::new(self.clone()), QUEUE_BYTES).unwrap();
        let counts = Arc::new(Counts::default());
        sink.attach(&counts);
        (sink, counts)
    }
}

fn push(sink: &Sink, counts: &Counts, line: &str) {
    sink.push(counts, |out| out.extend_from_slice(line.as_bytes()));
}

/// Waits until `condition` holds.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain: {what}");
}

#[test]
fn lines_of_many_threads_arrive_whole() {
    let fake = Fake::default();
    let (sink, counts) = fake.sink();
    thread::scope(|scope| {
        for name in 0..8 {
            let (sink, counts) = (&sink, &counts);
            scope.spawn(move || (0..1_000).for_each(|n| push(sink, counts, &format!("{name} {n}\n"))));
        }
    });
    assert!(sink.flush(PATIENCE));
    let text = fake.text();
    let dropped = counts.dropped.load(Ordering::Relaxed);
    assert_eq!(text.lines().count() as u64 + dropped, 8_000);
    let is_whole = |line: &str| {
        line.split_once(' ')
            .is_some_and(|(name, n)| name.len() == 1 && n.parse::<u16>().is_ok_and(|n| n < 1_000))
    };
    assert!(text.lines().all(is_whole));
}

#[test]
fn a_single_record_is_written_soon_without_a_flush() {
    let fake = Fake::default();
    let (sink, counts) = fake.sink();
    for line in ["one\n", "two\n", "three\n"] {
        push(&sink, &counts, line);
        eventually("the line", || fake.text().ends_with(line));
        thread::sleep(Duration::from_millis(20)); // let the writer fall asleep
    }
}

#[test]
fn a_stuck_output_blocks_nobody_and_what_is_too_much_is_dropped_and_counted() {
    let fake = Fake::default();
    fake.set(|health| health.is_stuck = true);
    let (sink, counts) = fake.sink();
    let line = "x".repeat(1_023) + "\n";
    let pushed = 8 * QUEUE_BYTES / line.len();
    (0..pushed).for_each(|_| push(&sink, &counts, &line));
    let dropped = counts.dropped.load(Ordering::Relaxed);
    assert!(dropped > 0);
    let waiting = (pushed as u64).saturating_sub(dropped).saturating_mul(line.len() as u64);
    assert!(
        waiting <= 2 * QUEUE_BYTES as u64 + 16 * 1_024,
        "{waiting} bytes wait, and as many are being written"
    );
    assert!(!sink.flush(Duration::from_millis(20)), "a flush of a stuck output gives up");
    fake.set(|health| health.is_stuck = false);
    assert!(sink.flush(PATIENCE));
    assert_eq!(fake.text().lines().count() as u64 + dropped, pushed as u64);
    assert!(fake.text().lines().all(|text| text.len() == 1_023));
    push(&sink, &counts, "after\n");
    assert!(sink.flush(PATIENCE));
    assert!(fake.text().ends_with("after\n"));
}

#[test]
fn a_full_disk_loses_nothing_that_still_fits_and_recovery_needs_nobody() {
    let fake = Fake::default();
    fake.set(|health| health.room = Some(7));
    let (sink, counts) = fake.sink();
    push(&sink, &counts, "first line\n");
    eventually("a write error", || counts.write_errors.load(Ordering::Relaxed) > 0);
    push(&sink, &counts, "second line\n");
    assert_eq!(fake.text(), "first l");
    fake.set(|health| health.room = None);
    assert!(sink.flush(PATIENCE));
    assert_eq!(fake.text(), "first line\nsecond line\n");
    assert_eq!(counts.dropped.load(Ordering::Relaxed), 0);
}

#[test]
fn a_slow_pipe_that_does_not_block_is_no_error() {
    let fake = Fake::default();
    fake.set(|health| health.is_nonblocking_full = true);
    let (sink, counts) = fake.sink();
    push(&sink, &counts, "line\n");
    assert!(!sink.flush(Duration::from_millis(50)));
    fake.set(|health| health.is_nonblocking_full = false);
    assert!(sink.flush(PATIENCE));
    assert_eq!((fake.text().as_str(), counts.write_errors.load(Ordering::Relaxed)), ("line\n", 0));
}

#[test]
fn a_line_torn_by_a_failure_spoils_no_other_when_the_file_is_opened_anew() {
    let fake = Fake::default();
    fake.set(|health| health.room = Some(7));
    let (sink, counts) = fake.sink();
    push(&sink, &counts, "first line\n");
    push(&sink, &counts, "second line\n");
    eventually("a write error", || counts.write_errors.load(Ordering::Relaxed) > 0);
    sink.reopen();
    eventually("the rest", || fake.text().ends_with("second line\n"));
    assert_eq!(fake.text(), "first l\nsecond line\n");
    assert_eq!(counts.dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn after_a_rotation_records_go_to_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let counts = Arc::new(Counts::default());
    let sink = Sink::open(&Target::File(path.clone()), QUEUE_BYTES).unwrap();
    push(&sink, &counts, "old\n");
    assert!(sink.flush(PATIENCE));
    fs::rename(&path, &moved).unwrap();
    push(&sink, &counts, "still old\n");
    assert!(sink.flush(PATIENCE));
    sink.reopen();
    eventually("a new file", || path.exists());
    push(&sink, &counts, "new\n");
    assert!(sink.flush(PATIENCE));
    assert_eq!(fs::read_to_string(&moved).unwrap(), "old\nstill old\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
}

#[test]
fn an_existing_file_is_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    fs::write(&path, "before\n").unwrap();
    let counts = Arc::new(Counts::default());
    let sink = Sink::open(&Target::File(path.clone()), QUEUE_BYTES).unwrap();
    push(&sink, &counts, "after\n");
    drop(sink);
    eventually("the last line, after the sink is gone", || {
        fs::read_to_string(&path).unwrap() == "before\nafter\n"
    });
}

#[test]
fn a_device_without_space_is_counted_and_waited_for_without_noise() {
    let sink = Sink::open(&Target::File("/dev/full".into()), QUEUE_BYTES).unwrap();
    let counts = Arc::new(Counts::default());
    sink.attach(&counts);
    push(&sink, &counts, "line\n");
    eventually("a write error", || counts.write_errors.load(Ordering::Relaxed) > 0);
}

#[test]
fn what_cannot_be_opened_says_so() {
    for path in ["/nonexistent/folder/access.log", "/"] {
        assert!(Sink::open(&Target::File(path.into()), QUEUE_BYTES).is_err(), "{path}");
    }
}
