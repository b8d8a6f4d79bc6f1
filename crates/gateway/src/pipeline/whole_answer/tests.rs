use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::*;
use crate::observe::Observe;
use crate::pipeline::attempts::Attempts;
use crate::pipeline::room::Room;
use crate::workers::{Background, Workers};

fn ground(spool: Option<PathBuf>, memory: u64) -> Ground {
    Ground {
        observe: Observe::default(),
        memory: Room::new(memory),
        files: Room::new(0),
        requests: Room::new(1),
        attempts: Attempts::default(),
        inspections: Workers::of_all_cores(),
        looks: Background::of_few(),
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

fn onlooker(most: u64) -> Onlooker {
    Onlooker { control: "test", place: "".into(), most, at_once_max: 5, waiting_max: 1 }
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
            *told.lock().expect("a lock") = Some(bytes?.to_vec());
            Ok(None)
        });
        let (mut body, later) = Later::watch(pieces(parts, size), &ground, look, onlooker(most));
        assert_eq!(read(&mut body).await, parts.concat().as_bytes());
        assert_eq!(*seen.lock().expect("a lock"), None, "nothing waits for it");
        assert_eq!(later.takes_long(), expected.is_some_and(|text| text.len() > 5));
        let looked = later.look(None).map(|problem| problem.is_none());
        assert_eq!(looked, if expected.is_some() { Ok(true) } else { Err(Unseen::TooLarge) }, "{parts:?}");
        assert_eq!(seen.lock().expect("a lock").as_deref(), expected.map(str::as_bytes), "{parts:?}");
        drop(body);
        assert_eq!(ground.memory.held(), 0);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_looked_at_holds_nothing_while_the_rest_of_it_goes() {
    let ground = ground(None, 1_000);
    let look: Look = Box::new(|bytes| {
        assert_eq!(bytes, Err(Unseen::TooLarge));
        Err(Unseen::TooLarge)
    });
    let parts = pieces(&["one", "two", "three"], Size::Unknown);
    let (mut body, later) = Later::watch(parts, &ground, look, onlooker(5));
    assert!(matches!(body.frame().await, Ok(Frame::Data(_))));
    assert_eq!(ground.memory.held(), 3);
    assert!(matches!(body.frame().await, Ok(Frame::Data(_))));
    assert_eq!(ground.memory.held(), 0);
    assert_eq!(read(&mut body).await, b"three");
    assert!(later.look(None).is_err());
}

#[tokio::test]
async fn an_answer_for_which_there_is_no_room_or_no_turn_is_not_looked_at() {
    for (room, not, expected) in [
        (3, None, Unseen::NoRoom),
        (6, Some(Unseen::Busy), Unseen::Busy),
        (3, Some(Unseen::Busy), Unseen::NoRoom),
    ] {
        let ground = ground(None, room);
        let look: Look = Box::new(move |bytes| Err(bytes.expect_err("not looked at")));
        let (mut body, later) =
            Later::watch(pieces(&["one", "two"], Size::Unknown), &ground, look, onlooker(100));
        assert_eq!(read(&mut body).await, b"onetwo");
        assert_eq!(later.look(not).map(|problem| problem.is_none()), Err(expected));
        drop(body);
        assert_eq!(ground.memory.held(), 0);
    }
}

#[tokio::test]
async fn half_a_body_is_not_looked_at() {
    let ground = ground(None, 1_000);
    let look = || -> Look { Box::new(|_| panic!("looked at half a body")) };
    let (mut body, later) =
        Later::watch(pieces(&["one", "two"], Size::Unknown), &ground, look(), onlooker(100));
    assert!(matches!(body.frame().await, Ok(Frame::Data(_))));
    drop(body);
    assert!(matches!(later.look(None), Ok(None)));
    let broken = vec![Ok(Frame::Data(Bytes::from_static(b"1"))), Err(BodyError::Closed)];
    let body = Body::Stream(Box::new(Parts { left: broken, size: Size::Unknown }));
    let (mut body, later) = Later::watch(body, &ground, look(), onlooker(100));
    while body.frame().await.is_ok() {}
    assert!(matches!(later.look(None), Ok(None)));
}

#[test]
fn what_lies_in_memory_stays_there() {
    let ground = ground(None, 1_000);
    let look: Look = Box::new(|bytes| {
        assert_eq!(bytes, Ok(&b"whole"[..]));
        Ok(None)
    });
    let body = Body::from_bytes(Bytes::from_static(b"whole"));
    let (body, later) = Later::watch(body, &ground, look, onlooker(100));
    assert!(matches!(body, Body::Memory(Some(_))));
    assert!(matches!(later.look(None), Ok(None)));
}
