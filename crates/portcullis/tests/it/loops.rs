//! A backend that leads back to the gateway: the request is refused after some rounds, and not after all connections.

use std::net::TcpListener;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Request, Wire};

use crate::stage::{CONFIG, Stage, executable};

#[test]
fn a_backend_that_is_the_gateway_itself_ends_in_508_after_few_rounds() {
    let address =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let config = CONFIG
        .replace("public: { bind: 127.0.0.1:0", &format!("public: {{ bind: \"{address}\""))
        .replace("BACKEND", &address.to_string());
    let gateway = Builder::new(executable(), config + "bounds: { hops: 3 }\n").start();
    for wire in Wire::ALL {
        let target = format!("/{wire:?}");
        let answer = wire.send(address, &Request::get(&target));
        assert_eq!((answer.status, answer.problem().as_deref()), (508, Some("loop-detected")), "{wire:?}");
        let of_loop = |line: &&String| line.contains(&format!("\"url.path\":\"{target}\""));
        let mut rounds = 0;
        gateway.stdout().expect("the last record", |line| {
            rounds += usize::from(of_loop(&&line.to_owned()));
            (rounds == 5).then_some(())
        });
        assert_eq!(
            gateway.stdout().all().iter().filter(of_loop).count(),
            5,
            "{wire:?}: four passed, one refused"
        );
    }
}

#[test]
fn via_is_told_and_only_our_own_name_too_often_is_a_loop() {
    for wire in Wire::ALL {
        let stage = Stage::with(&format!("{CONFIG}bounds: {{ hops: 2 }}\n"));
        let others = "1.1 a, 1.1 b, 2 c (portcullis), HTTP/1.1 portcullis-of-another, 1.1 d, 1.1 portcullis";
        let passes = Request::get("/passes").field("Via", others).field("Via", "2 PORTCULLIS");
        assert_eq!(wire.send(stage.public(), &passes).status, 200, "{wire:?}");
        let message = stage.backend.expect("a message", |message| message.target == b"/passes");
        let told: Vec<String> =
            message.all("via").iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        let own = if *wire == Wire::Http2 { "2 portcullis" } else { "1.1 portcullis" };
        assert_eq!(told.last().map(String::as_str), Some(own), "{wire:?}: {told:?}");
        let again = passes.field("Via", "1.1 portcullis");
        assert_eq!(wire.send(stage.public(), &again).status, 508, "{wire:?}");
    }
}

#[test]
fn max_forwards_is_counted_for_options_and_means_nothing_else() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let asked = |method: &str, most: &str| {
            let mark = stage.backend.mark();
            let request = Request::new(method, "/m").field("Max-Forwards", most);
            let status = wire.send(stage.public(), &request).status;
            let arrived = stage.backend.since(mark);
            let left = arrived
                .first()
                .map(|message| String::from_utf8_lossy(message.all("max-forwards")[0]).into_owned());
            (status, left)
        };
        assert_eq!(asked("OPTIONS", "0"), (204, None), "{wire:?}: answered here");
        assert_eq!(asked("OPTIONS", "5"), (200, Some("4".to_owned())), "{wire:?}");
        assert_eq!(asked("GET", "0"), (200, Some("0".to_owned())), "{wire:?}");
        for nonsense in ["-1", "+1", "x", "1,1", "99999999999"] {
            assert_eq!(asked("OPTIONS", nonsense), (400, None), "{wire:?} {nonsense}");
        }
    }
}
