use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use portcullis_http1::{Bounds as HeadBounds, HeadDecoder};

use super::{Whole, admit};
use crate::bounds::Bounds;
use crate::config::Forward;
use crate::http::canonical::Rules;
use crate::http::interim::Interim;
use crate::http::{Body, BodyError, Canonical, Frame, Head, Peer, Size, Source, Wire};
use crate::observe::Observe;
use crate::pipeline::attempts::Attempts;
use crate::pipeline::context::Ground;
use crate::pipeline::policy::Inspector;
use crate::pipeline::room::Room;
use crate::pipeline::step::Why;
use crate::pipeline::{
    Admitted, Context, Expression, Form, Freight, Identified, Needs, Operation, Policy, Routed, Step, Stop,
};
use crate::problem::Problem;
use crate::workers::{Background, Workers};

/// A policy that needs `needs`, remembers what it saw, and refuses a body with `evil` in it.
#[derive(Debug)]
struct Nosy {
    needs: Needs,
    form: Form,
    saw: Arc<Mutex<Vec<String>>>,
}

/// Its eyes on a body that passes; asked twice for each piece, to be sure that nothing is lost or seen twice.
struct Eyes {
    saw: Arc<Mutex<Vec<String>>>,
    text: Vec<u8>,
    hesitated: bool,
}

fn refuse_evil(text: &[u8]) -> Result<(), Box<Problem>> {
    if String::from_utf8_lossy(text).contains("evil") {
        return Err(Box::new(super::BODY_INCOMPLETE.with("evil")));
    }
    Ok(())
}

impl Policy for Nosy {
    fn name(&self) -> &'static str {
        "nosy"
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    fn form(&self) -> Form {
        self.form
    }

    fn inspect_request<'a>(
        &'a self,
        _request: &'a Identified,
        body: Option<&'a Whole>,
        _cx: &'a mut Context,
    ) -> Step<'a, ()> {
        let Some(body) = body else { return Step::pass() };
        let seen = body.bytes().map_or_else(|| format!("file of {}", body.len()), |b| format!("{b:?}"));
        self.saw.lock().unwrap().push(seen);
        match body.bytes().map_or(Ok(()), |bytes| refuse_evil(bytes)) {
            Ok(()) => Step::pass(),
            Err(problem) => Step::refuse(*problem),
        }
    }

    fn stream_inspector(&self, _request: &Identified, _cx: &mut Context) -> Option<Box<dyn Inspector>> {
        (self.needs == Needs::Stream).then(|| -> Box<dyn Inspector> {
            Box::new(Eyes { saw: Arc::clone(&self.saw), text: Vec::new(), hesitated: false })
        })
    }
}

impl Inspector for Eyes {
    fn poll_piece(&mut self, piece: &Bytes, cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>> {
        if !std::mem::replace(&mut self.hesitated, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.hesitated = false;
        self.text.extend_from_slice(piece);
        self.saw.lock().unwrap().push(format!("{piece:?}"));
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>> {
        Poll::Ready(refuse_evil(&self.text))
    }
}

/// A body in given pieces, of which the length may be known; without a proper end if `cut`.
struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    size: Size,
    cut: bool,
}

impl Source for Pieces {
    fn poll_frame(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        Poll::Ready(match self.pieces.next() {
            Some(piece) => Ok(Frame::Data(piece)),
            None if self.cut => Err(BodyError::Closed),
            None => Ok(Frame::End),
        })
    }

    fn size(&self) -> Size {
        self.size
    }
}

struct Case {
    needs: Needs,
    pieces: Vec<Bytes>,
    /// `Content-Encoding`, and which form goes on, where the policy reads bodies decoded.
    coding: &'static str,
    decodes: Option<Forward>,
    cut: bool,
    known: bool,
    body_max: u64,
    memory_max: u64,
    bodies_max: u64,
    files_max: u64,
    state: Option<tempfile::TempDir>,
}

impl Case {
    fn new(needs: Needs, pieces: &'static [&'static str]) -> Self {
        let state = Some(tempfile::tempdir().unwrap());
        Self {
            needs,
            pieces: pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect(),
            coding: "",
            decodes: None,
            cut: false,
            known: false,
            body_max: 1 << 20,
            memory_max: 1 << 20,
            bodies_max: 1 << 20,
            files_max: 1 << 20,
            state,
        }
    }

    /// Judges the body, and pulls what may go on. Gives what the policy saw besides.
    async fn run(&self) -> (Result<Vec<u8>, String>, Vec<String>) {
        let saw = Arc::default();
        let ground = Arc::new(Ground {
            observe: Observe::default(),
            memory: Room::new(self.bodies_max),
            files: Room::new(self.files_max),
            requests: Room::new(1),
            attempts: Attempts::default(),
            inspections: Workers::of_all_cores(),
            looks: Background::of_few(),
            spool: self.state.as_ref().map(|state| state.path().to_owned()),
        });
        let operation = self.operation(&ground, &saw);
        let mut freight = Freight::new(Body::Empty);
        let outcome = self.judge(&ground, &operation, &mut freight).await;
        let pulled = match outcome {
            Ok(mut admitted) => {
                let is_coded = admitted.request().fields().first("content-encoding").is_some();
                let expected = !self.coding.is_empty() && self.decodes != Some(Forward::Decoded);
                assert_eq!(is_coded, expected, "the head says what the body is");
                pull(admitted.take_body()).await
            }
            Err(stop) => match stop.into_why() {
                Why::Problem(problem) | Why::Denied(problem, _) => Err(problem.kind().code.to_owned()),
                Why::Answer(_) => Err("answer".to_owned()),
            },
        };
        assert_eq!((ground.memory.held(), ground.files.held()), (0, 0), "room is given back");
        let saw = saw.lock().unwrap().clone();
        (pulled, saw)
    }

    fn operation(&self, ground: &Ground, saw: &Arc<Mutex<Vec<String>>>) -> Arc<Operation> {
        let bounds = Bounds { body: self.body_max, body_in_memory: self.memory_max, ..Bounds::default() };
        let form = if self.decodes.is_some() { Form::Decoded } else { Form::AsSent };
        let nosy = Nosy { needs: self.needs, form, saw: Arc::clone(saw) };
        Arc::new(Operation { decodes: self.decodes, ..operation(nosy, bounds, &ground.observe) })
    }

    async fn judge<'s>(
        &self,
        ground: &Arc<Ground>,
        operation: &'s Arc<Operation>,
        freight: &'s mut Freight,
    ) -> Result<Admitted<'s>, Stop> {
        let length: usize = self.pieces.iter().map(|piece| piece.len()).sum();
        let size = if self.known { Size::Exactly(length as u64) } else { Size::Unknown };
        let body = Pieces { pieces: self.pieces.clone().into_iter(), size, cut: self.cut };
        let peer = peer();
        let mut cx = Context::new(Arc::clone(ground), Arc::clone(&peer), Arc::new(Interim::default()));
        cx.begin(Wire::Http11, Duration::from_secs(1), &Arc::from("test"));
        *freight = Freight::new(Body::Stream(Box::new(body)));
        let routed = Routed::new(request(&peer, self.coding), operation, freight);
        let identified = Identified::authenticate(routed, &mut cx).await?;
        admit(identified, operation, &mut cx).await
    }
}

fn peer() -> Arc<Peer> {
    Arc::new(Peer::sample("192.0.2.7:4711".parse().unwrap()))
}

fn request(peer: &Peer, coding: &str) -> Canonical {
    let coding = if coding.is_empty() { String::new() } else { format!("Content-Encoding: {coding}\r\n") };
    let text = format!("POST / HTTP/1.1\r\nHost: gw.test\r\n{coding}\r\n");
    let (request, _) =
        HeadDecoder::default().request(text.as_bytes(), &HeadBounds::default()).unwrap().unwrap();
    Canonical::build(&mut Head { request, wire: Wire::Http11, size: Size::Unknown }, peer, &Rules::default())
        .unwrap()
}

fn operation(nosy: Nosy, bounds: Bounds, observe: &Observe) -> Operation {
    Operation {
        api: "api".into(),
        name: "operation".into(),
        template: "/".into(),
        method: "POST".into(),
        authentication: Arc::new(Expression::anonymous()),
        contract: None,
        needs: nosy.needs,
        decodes: None,
        chain: Box::new([Arc::new(nosy)]),
        backend: 0,
        handover: None,
        strip: 0,
        bounds: Arc::new(bounds),
        stream: None,
        matrix: None,
        terms: None,
        base_path: "".into(),
        place: "a.yaml:1".into(),
        resource_metadata: None,
        auth_place: "a.yaml:1".into(),
        metrics: observe.operation("api", "operation", "/"),
    }
}

async fn pull(mut body: Body) -> Result<Vec<u8>, String> {
    let mut pulled = Vec::new();
    loop {
        match body.frame().await {
            Ok(Frame::Data(piece)) => pulled.extend_from_slice(&piece),
            Ok(Frame::Trailers(_)) => {}
            Ok(Frame::End) => return Ok(pulled),
            Err(BodyError::Refused(problem)) => return Err(problem.kind().code.to_owned()),
            Err(error) => return Err(format!("{error} after {} bytes", pulled.len())),
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn check(case: &Case, expected: Result<&str, &str>) -> Vec<String> {
    let (pulled, saw) = block_on(case.run());
    let pulled = pulled.map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(pulled.as_deref().map_err(String::as_str), expected);
    saw
}

#[test]
fn a_body_nobody_needs_passes_unseen() {
    let saw = check(&Case::new(Needs::Head, &["hello", " evil"]), Ok("hello evil"));
    assert!(saw.is_empty());
}

#[test]
fn a_whole_body_is_seen_once_before_it_goes_on() {
    let saw = check(&Case::new(Needs::Whole, &["hello", " world"]), Ok("hello world"));
    assert_eq!(saw, [r#"b"hello world""#]);
    check(&Case::new(Needs::Whole, &["ev", "il"]), Err("body-incomplete"));
    check(&Case { cut: true, ..Case::new(Needs::Whole, &["hel"]) }, Err("body-incomplete"));
}

#[test]
fn a_whole_body_beyond_the_memory_of_one_lies_in_a_file() {
    let saw =
        check(&Case { memory_max: 4, ..Case::new(Needs::Whole, &["hello", " world"]) }, Ok("hello world"));
    assert_eq!(saw, ["file of 11"]);
}

#[test]
fn a_whole_body_beyond_the_memory_of_all_lies_in_a_file() {
    let saw =
        check(&Case { bodies_max: 8, ..Case::new(Needs::Whole, &["hello", " world"]) }, Ok("hello world"));
    let files =
        |files_max| Case { memory_max: 4, files_max, ..Case::new(Needs::Whole, &["hello", " world"]) };
    check(&files(11), Ok("hello world"));
    check(&files(10), Err("body-no-room"));
    assert_eq!(saw, ["file of 11"]);
}

#[test]
fn a_disk_that_takes_no_file_is_no_room() {
    let case = Case { memory_max: 4, ..Case::new(Needs::Whole, &["hello", " world"]) };
    std::fs::remove_dir(case.state.as_ref().expect("a folder").path()).expect("an empty folder");
    assert!(check(&case, Err("body-no-room")).is_empty());
}

#[test]
fn without_a_state_directory_there_is_no_file() {
    let case = Case { memory_max: 4, state: None, ..Case::new(Needs::Whole, &["hello", " world"]) };
    assert!(check(&case, Err("body-no-room")).is_empty());
}

#[test]
fn a_body_beyond_its_bound_is_refused_however_its_length_is_told() {
    for needs in [Needs::Head, Needs::Stream, Needs::Whole] {
        for known in [true, false] {
            let case = Case { body_max: 10, known, ..Case::new(needs, &["hello", " world"]) };
            check(&case, Err("body-too-large"));
            let case = Case { body_max: 11, known, ..Case::new(needs, &["hello", " world"]) };
            check(&case, Ok("hello world"));
        }
    }
}

#[test]
fn a_guarded_body_ends_only_when_its_inspector_says_so() {
    let saw = check(&Case::new(Needs::Stream, &["hello", " world"]), Ok("hello world"));
    assert_eq!(saw, [r#"b"hello""#, r#"b" world""#]);
    let saw = check(&Case::new(Needs::Stream, &["e", "vil"]), Err("body-incomplete"));
    assert_eq!(saw, [r#"b"e""#, r#"b"vil""#], "the pieces passed; the end did not");
    let case = Case { cut: true, ..Case::new(Needs::Stream, &["hel"]) };
    check(&case, Err("connection closed before the body's end after 3 bytes"));
}

/// `hello, hello, hello, hello`, then `this is evil`, then 200 KiB of zeros.
const HELLO: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51,
    0xc8, 0xc0, 0xa4, 0x00, 0x55, 0xa3, 0x82, 0x77, 0x1a, 0x00, 0x00, 0x00,
];
const EVIL: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x2b, 0xc9, 0xc8, 0x2c, 0x56, 0x00, 0xa2,
    0xd4, 0xb2, 0xcc, 0x1c, 0x00, 0x76, 0x0e, 0xc2, 0x55, 0x0c, 0x00, 0x00, 0x00,
];
const BOMB: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x01, 0x0d, 0x00, 0x00, 0x00,
    0xc2, 0xa0, 0xf7, 0x4f, 0x6d, 0x0f, 0x07, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x4f, 0x06, 0x3f, 0x4f, 0x37, 0xd5, 0x00, 0x20, 0x03, 0x00,
];

/// A coded body in pieces of `piece` bytes.
fn coded(needs: Needs, forward: Forward, body: &'static [u8], piece: usize) -> Case {
    let pieces = body.chunks(piece).map(Bytes::from_static).collect();
    Case { pieces, coding: "gzip", decodes: Some(forward), ..Case::new(needs, &[]) }
}

#[test]
fn what_is_judged_decoded_goes_on_in_the_form_that_was_asked_for() {
    for needs in [Needs::Whole, Needs::Stream] {
        for forward in [Forward::Decoded, Forward::Encoded] {
            for (piece, memory_max) in [(5, 1 << 20), (100, 1 << 20), (5, 4)] {
                let case = Case { memory_max, ..coded(needs, forward, HELLO, piece) };
                let (pulled, saw) = block_on(case.run());
                let expected =
                    if forward == Forward::Decoded { &b"hello, hello, hello, hello"[..] } else { HELLO };
                assert_eq!(pulled.as_deref(), Ok(expected), "{needs:?} {forward:?} {piece} {memory_max}");
                match (needs, memory_max) {
                    (Needs::Whole, 4) => assert_eq!(saw, ["file of 26"]),
                    (Needs::Whole, _) => assert_eq!(saw, [r#"b"hello, hello, hello, hello""#]),
                    _ => assert!(!saw.is_empty() && saw.iter().all(|piece| !piece.contains('x'))),
                }
                check(&coded(needs, forward, EVIL, piece), Err("body-incomplete"));
            }
        }
    }
}

#[test]
fn coded_content_that_is_not_what_it_says_is_refused() {
    for needs in [Needs::Whole, Needs::Stream] {
        for forward in [Forward::Decoded, Forward::Encoded] {
            let case = |body, piece| coded(needs, forward, body, piece);
            check(&case(&HELLO[..HELLO.len() - 1], 9), Err("content-coding-malformed"));
            check(&case(&HELLO[..3], 9), Err("content-coding-malformed"));
            check(&case(b"hello", 9), Err("content-coding-malformed"));
            check(&case(BOMB, 50), Err("body-too-large"));
            check(&Case { body_max: 25, ..case(HELLO, 9) }, Err("body-too-large"));
            check(&Case { bodies_max: 100, ..case(HELLO, 9) }, Err("body-no-room"));
            let mut longer = case(HELLO, 9);
            longer.pieces.push(Bytes::from_static(b"x"));
            check(&longer, Err("content-coding-malformed"));
            for coding in ["zstd", "gzip, gzip", "compress"] {
                check(&Case { coding, ..case(HELLO, 9) }, Err("content-coding-unsupported"));
            }
        }
    }
}
