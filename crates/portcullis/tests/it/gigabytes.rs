//! A gigabyte each way: as much memory as for a page. A large file in a form that is judged: no more.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use portcullis_testkit::Gateway;
use portcullis_testkit::gateway::Builder;

use crate::stage::executable;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// Beyond what it had before. The allocator keeps some of what passed.
const GROWTH: u64 = 32 * MIB;

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0 } }
bounds: { body: 2GiB }
backends: { large: { targets: ["http://BACKEND"] } }
apis: { open: { backend: large, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;

/// A backend that counts what it is sent and keeps nothing, or sends as much as it is asked for.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader =
                    BufReader::with_capacity(256 << 10, stream.try_clone().expect("a descriptor"));
                while serve(&mut reader, &stream).is_some() {}
            });
        }
    });
    address
}

fn serve(reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> Option<()> {
    let (first, length) = head(reader)?;
    skip(reader, length)?;
    if first.starts_with("GET /small") || !first.starts_with("GET ") {
        let body = length.to_string();
        return write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok();
    }
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n").ok()?;
    send(stream)
}

/// The first line of a head, and the length it announces.
fn head(reader: &mut impl BufRead) -> Option<(String, u64)> {
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line == "\r\n" {
            return Some((first, length));
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if first.is_empty() {
            first = line;
        }
    }
}

fn skip(reader: &mut impl Read, length: u64) -> Option<()> {
    let passed = std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    (passed == length).then_some(())
}

fn send(mut stream: &TcpStream) -> Option<()> {
    let piece = vec![b'x'; 1 << 20];
    (0..GIB / MIB).try_for_each(|_| stream.write_all(&piece)).ok()
}

struct Scene {
    gateway: Gateway,
    client: TcpStream,
    reader: BufReader<TcpStream>,
    before: u64,
}

fn start() -> Scene {
    before(Gateway::start(executable(), CONFIG.replace("BACKEND", &backend().to_string())))
}

/// A scene of this gateway, which has served one small request.
fn before(gateway: Gateway) -> Scene {
    let client = TcpStream::connect(gateway.address("public")).expect("a listener");
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let reader = BufReader::with_capacity(256 << 10, client.try_clone().expect("a descriptor"));
    let mut scene = Scene { gateway, client, reader, before: 0 };
    scene.client.write_all(b"GET /small HTTP/1.1\r\nHost: gw.test\r\n\r\n").expect("written");
    let (_, length) = head(&mut scene.reader).expect("an answer");
    skip(&mut scene.reader, length).expect("all of it");
    scene.before = scene.gateway.usage().memory;
    scene
}

fn judge(scene: &Scene) {
    let grown = scene.gateway.usage().memory_peak.saturating_sub(scene.before);
    assert!(grown < GROWTH, "{} MiB more", grown / MIB);
}

#[test]
fn a_gigabyte_goes_up_in_the_memory_of_a_page() {
    let mut scene = start();
    let head_line = format!("POST /up HTTP/1.1\r\nHost: gw.test\r\nContent-Length: {GIB}\r\n\r\n");
    scene.client.write_all(head_line.as_bytes()).expect("written");
    send(&scene.client).expect("the gateway takes it all");
    let (line, length) = head(&mut scene.reader).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    let mut body = String::new();
    (&mut scene.reader).take(length).read_to_string(&mut body).expect("text");
    assert_eq!(body, GIB.to_string(), "what the backend counted");
    judge(&scene);
}

#[test]
fn a_gigabyte_comes_down_in_the_memory_of_a_page() {
    let mut scene = start();
    scene.client.write_all(b"GET /down HTTP/1.1\r\nHost: gw.test\r\n\r\n").expect("written");
    let (line, length) = head(&mut scene.reader).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 200") && length == GIB, "{line}");
    skip(&mut scene.reader, length).expect("all of it");
    judge(&scene);
}

/// An API that takes a file in a form, and every byte of it is judged before the first goes on.
const JUDGED: &str = r#"version: 1
state: state
listeners: { public: { bind: 127.0.0.1:0 } }
bounds: { body: 200MiB }
backends: { large: { targets: ["http://BACKEND"] } }
apis:
  files: { backend: large, base_path: /files, openapi: files.yaml, auth: none }
  open: { backend: large, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

const FILES: &str = r#"openapi: 3.1.0
info: { title: Files, version: "1" }
paths:
  /up:
    post:
      requestBody:
        required: true
        content:
          multipart/form-data:
            schema:
              type: object
              required: [name, file]
              properties: { name: { type: string, maxLength: 9 }, file: { type: string, format: binary } }
"#;

/// Sends a file of so many MiB in a form, and gives the first line of the answer, and the most memory of its own that the
/// gateway had meanwhile.
fn upload(scene: &mut Scene, mib: u64, name: &str) -> (String, u64) {
    let field = format!("--XX\r\nContent-Disposition: form-data; name=name\r\n\r\n{name}\r\n");
    let file = "--XX\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n";
    let end = "\r\n--XX--\r\n";
    let length = field.len() as u64 + file.len() as u64 + end.len() as u64 + mib * MIB;
    let head_line = format!(
        "POST /files/up HTTP/1.1\r\nHost: gw.test\r\nContent-Type: multipart/form-data; boundary=XX\r\n\
         Content-Length: {length}\r\n\r\n{field}{file}"
    );
    scene.client.write_all(head_line.as_bytes()).expect("written");
    let piece = vec![b'x'; 1 << 20];
    let mut most = 0;
    for _ in 0..mib {
        scene.client.write_all(&piece).expect("the gateway takes it all");
        most = most.max(own_memory(&scene.gateway));
    }
    scene.client.write_all(end.as_bytes()).expect("written");
    let (line, answer) = head(&mut scene.reader).expect("an answer");
    let mut body = String::new();
    (&mut scene.reader).take(answer).read_to_string(&mut body).expect("text");
    assert!(!line.contains(" 200 ") || body == length.to_string(), "the backend counted {body}");
    (line, most)
}

/// Bytes of memory without pages of files: code comes in when it is first used, goes when others need the room, and is no part
/// of what a body takes.
fn own_memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

#[test]
fn a_large_file_in_a_form_is_judged_in_the_memory_of_a_page() {
    let config = JUDGED.replace("BACKEND", &backend().to_string());
    // As the unit has it: a kernel that gives huge pages unasked gives two megabytes to each thread that begins.
    let gateway =
        Builder::new(executable(), config).file("files.yaml", FILES).environment("MIMALLOC_ALLOW_THP", "0");
    // Nothing was judged before: what is measured has the threads in it that wait for the disk.
    let mut scene = before(gateway.start());
    scene.client.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let before = own_memory(&scene.gateway);
    let (line, most) = upload(&mut scene, 100, "large");
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    let grown = most.saturating_sub(before);
    assert!(grown <= MIB, "{} KiB more for 100 MiB", grown >> 10);
    assert!(upload(&mut scene, 4, "a long name").0.starts_with("HTTP/1.1 422"));
}
