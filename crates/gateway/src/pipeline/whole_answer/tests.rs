use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::*;
use crate::observe::Observe;
use crate::pipeline::attempts::Attempts;
use crate::pipeline::room::Room;
use crate::workers::Workers;

fn ground(spool: Option<PathBuf>, memory: u64) -> Ground {
    Ground {
        observe: Observe::default(),
        memory: Room::new(memory),
        files: Room::new(0),
        requests: Room::new(1),
        attempts: Attempts::default(),
        inspections: Workers::of_all_cores(),
        spool,
    }
}

/// Pieces one after the other.
struct Parts {
    left: Vec<Result<Frame, BodyError>>,
    size: Size,
}

impl Source for Parts {
    fn poll_frame(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        Poll::Ready(if self.left.is_empty() { Ok(Frame::End) } else { self.left.remove(0) })
    }

    fn size(&self) -> Size {
        self.size
    }
}

fn pieces(pieces: &[&'static str], size: Size) -> Body {
    let left = pieces.iter().map(|piece| Ok(Frame::Data(Bytes::from_static(piece.as_bytes())))).collect();
    Body::Stream(Box::new(Parts { left, size }))
}

async fn read(body: &mut Body) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match body.frame().await.expect("a frame") {
            Frame::Data(piece) => all.extend_from_slice(&piece),
            Frame::Trailers(_) => {}
            Frame::End => return all,
        }
    }
}

#[tokio::test]
async fn an_answer_is_read_to_its_end_and_no_further_than_it_may() {
    let ground = ground(None, 100);
    for (parts, size, expected) in [
        (&["one"][..], Size::Unknown, Some("one")),
        (&["one", "two", "three"], Size::Exactly(11), Some("onetwothree")),
        (&[], Size::Unknown, Some("")),
        (&["0123456789", "x"], Size::Unknown, None),
        (&[], Size::Exactly(11), None),
    ] {
        let most = if expected.is_some() { 11 } else { 10 };
        let whole = WholeAnswer::read(pieces(parts, size), most, &ground).await;
        match (whole, expected) {
            (Ok(whole), Some(expected)) => {
                assert_eq!(whole.bytes(), expected.as_bytes());
                assert_eq!(ground.memory.held(), expected.len() as u64);
                let mut body = whole.replaced(b"another one".to_vec()).expect("room").into_body();
                assert_eq!(read(&mut body).await, b"another one");
            }
            (Err(Unread::TooLarge), None) => {}
            (other, _) => panic!("{parts:?}: {other:?}"),
        }
        assert_eq!(ground.memory.held(), 0, "{parts:?}");
    }
}

#[tokio::test]
async fn where_there_is_no_room_nothing_is_held() {
    let ground = ground(None, 8);
    let whole = WholeAnswer::read(pieces(&["12345", "6789"], Size::Unknown), 100, &ground).await;
    assert!(matches!(whole, Err(Unread::NoRoom)));
    assert_eq!(ground.memory.held(), 0);
    let broken = vec![Ok(Frame::Data(Bytes::from_static(b"1"))), Err(BodyError::Closed)];
    let body = Body::Stream(Box::new(Parts { left: broken, size: Size::Unknown }));
    let whole = WholeAnswer::read(body, 100, &ground).await;
    assert!(matches!(whole, Err(Unread::Broken(BodyError::Closed))));
}

#[tokio::test]
async fn a_body_is_looked_at_when_all_of_it_has_gone() {
    for (parts, size, most, expected) in [
        (&["one", "two"][..], Size::Unknown, 100, Some("onetwo")),
        (&["one", "two"], Size::Exactly(6), 100, Some("onetwo")),
        (&[], Size::Unknown, 100, Some("")),
        (&["one", "two"], Size::Unknown, 5, None),
        (&["one", "two"], Size::Exactly(6), 5, None),
    ] {
        let ground = ground(None, 1_000);
        let seen: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
        let told = Arc::clone(&seen);
        let look: Look = Box::new(move |bytes| {
            *told.lock().expect("a lock") = Some(bytes.to_vec());
            None
        });
        let (mut body, later) = Later::watch(pieces(parts, size), most, &ground, look, ("test", "".into()));
        assert_eq!(read(&mut body).await, parts.concat().as_bytes());
        assert_eq!(*seen.lock().expect("a lock"), None, "nothing waits for it");
        assert!(later.look().is_none());
        assert_eq!(seen.lock().expect("a lock").as_deref(), expected.map(str::as_bytes), "{parts:?}");
        drop(body);
        assert_eq!(ground.memory.held(), 0);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_looked_at_holds_nothing_while_the_rest_of_it_goes() {
    let ground = ground(None, 1_000);
    let look: Look = Box::new(|_| panic!("looked at a body that is too long"));
    let parts = pieces(&["one", "two", "three"], Size::Unknown);
    let (mut body, later) = Later::watch(parts, 5, &ground, look, ("test", "".into()));
    assert!(matches!(body.frame().await, Ok(Frame::Data(_))));
    assert_eq!(ground.memory.held(), 3);
    assert!(matches!(body.frame().await, Ok(Frame::Data(_))));
    assert_eq!(ground.memory.held(), 0);
    assert_eq!(read(&mut body).await, b"three");
    assert!(later.look().is_none());
}

#[tokio::test]
async fn half_a_body_is_not_looked_at() {
    let ground = ground(None, 1_000);
    let look = || -> Look { Box::new(|_| panic!("looked at half a body")) };
    let (mut body, later) =
        Later::watch(pieces(&["one", "two"], Size::Unknown), 100, &ground, look(), ("test", "".into()));
    assert!(matches!(body.frame().await, Ok(Frame::Data(_))));
    drop(body);
    assert!(later.look().is_none());
    let broken = vec![Ok(Frame::Data(Bytes::from_static(b"1"))), Err(BodyError::Closed)];
    let body = Body::Stream(Box::new(Parts { left: broken, size: Size::Unknown }));
    let (mut body, later) = Later::watch(body, 100, &ground, look(), ("test", "".into()));
    while body.frame().await.is_ok() {}
    assert!(later.look().is_none());
}

#[test]
fn what_lies_in_memory_stays_there() {
    let ground = ground(None, 1_000);
    let look: Look = Box::new(|bytes| {
        assert_eq!(bytes, b"whole");
        None
    });
    let body = Body::from_bytes(Bytes::from_static(b"whole"));
    let (body, later) = Later::watch(body, 100, &ground, look, ("test", "".into()));
    assert!(matches!(body, Body::Memory(Some(_))));
    assert!(later.look().is_none());
}
