//! Every pair of ways to prove a caller, in every state, in `any_of` and `all_of`: `docs/credentials.md` says what each gets.

mod page;
mod town;
mod ways;

use std::collections::HashMap;

use portcullis_testkit::{Deadline, Response, Wire};
use serde_json::Value;

use self::page::{Page, Relation, STATES};
use self::town::{Town, check_all_of, path};
use self::ways::Way;
use crate::stage::Findings;

const HOST: &str = "api.example.com";

/// A question to the gateway.
struct Case {
    name: String,
    path: String,
    presented: [(Way, &'static str); 2],
    answer: String,
}

/// What the access record must say of who called: consumer, and credential where it has a name of ours.
type Named = Option<(String, Option<String>)>;

#[test]
fn every_pair_gets_what_the_table_says() {
    let page = Page::read();
    let town = Town::start(&page);
    // What is revoked later was good before.
    await_each(&town, 200);
    town.revoke(&page);
    await_each(&town, 401);

    let mut findings = Findings::default();
    let mut recorded: HashMap<String, (String, Named)> = HashMap::new();
    for wire in Wire::ALL {
        for (certificate, cases) in cases(&page, *wire) {
            let requests: Vec<_> =
                cases.iter().map(|case| town.purse.request(&case.path, case.presented)).collect();
            let answers = town.ask(*wire, certificate, &requests);
            for (case, answer) in cases.into_iter().zip(answers) {
                findings.note(&case.name, judge(&answer, &case.answer));
                let id = answer.text("x-request-id").expect("an id");
                recorded.insert(id, (case.name.clone(), named(&case)));
            }
        }
        two_at_once(&town, &page, *wire, &mut findings);
    }
    findings.conclude(3_500);
    records_name_the_caller(&town, recorded);
}

/// Waits until the credential to be revoked is answered so, of each way.
fn await_each(town: &Town, status: u16) {
    for way in Way::ALL {
        let other = if way == Way::Header { Way::Query } else { Way::Header };
        let presented = [(way, "revoked"), (other, "absent")];
        let certificate = if way == Way::Certificate { "revoked" } else { "absent" };
        Deadline::soon().poll(&format!("{status} for {way:?}"), || {
            let request = town.purse.request(&path("any_of", way, other), presented);
            let answer = town.ask(Wire::Http1, certificate, &[request]).remove(0);
            (answer.status == status).then_some(())
        });
    }
}

/// Every cell for every pair, by the state of the certificate on whose connection it is asked. Over HTTP/1.1 a pair stands
/// as on the page, over HTTP/2 the other way around.
fn cases(page: &Page, wire: Wire) -> Vec<(&'static str, Vec<Case>)> {
    let mut found: Vec<(&'static str, Vec<Case>)> = STATES.map(|state| (state, Vec::new())).into();
    for (one, other, relation) in page.pairs() {
        let (first, second) = if wire == Wire::Http1 { (one, other) } else { (other, one) };
        for rule in ["any_of", "all_of"] {
            for states in STATES.iter().flat_map(|first| STATES.iter().map(move |second| [*first, *second])) {
                let presented = [(first, states[0]), (second, states[1])];
                // Two at one place end their connection.
                let is_two = relation == Relation::OnePlace && !states.contains(&"absent");
                let Some(answer) = page.answer(rule, relation, presented).filter(|_| !is_two) else {
                    continue;
                };
                let on = presented.iter().find(|(way, _)| *way == Way::Certificate);
                let at =
                    on.map_or(0, |(_, state)| STATES.iter().position(|own| own == state).expect("a state"));
                let name = format!("{wire:?} {rule} {first:?} {} {second:?} {}", states[0], states[1]);
                found[at].1.push(Case { name, path: path(rule, first, second), presented, answer });
            }
        }
    }
    found
}

/// Two good credentials at one place: no request at all, and the end of its connection over HTTP/1.1.
fn two_at_once(town: &Town, page: &Page, wire: Wire, findings: &mut Findings) {
    for (first, second, relation) in page.pairs() {
        if relation == Relation::OnePlace {
            let presented = [(first, "good"), (second, "good")];
            let answer = page.answer("any_of", relation, presented).expect("a cell");
            let request = town.purse.request(&path("any_of", first, second), presented);
            let response = town.ask(wire, "absent", &[request]).remove(0);
            findings.note(format!("{wire:?} {first:?} and {second:?} at once"), judge(&response, &answer));
        }
    }
}

fn named(case: &Case) -> Named {
    let at = match case.answer.as_str() {
        "200 first" => 0,
        "200 second" => 1,
        _ => return None,
    };
    let (way, state) = case.presented[at];
    let is_another = state == "another's";
    Some(match way.issuer() {
        Some(issuer) => {
            let consumer = format!("{issuer}/{}", if is_another { "bob" } else { "alice" });
            (consumer, (way != Way::Login).then(|| way.id(state)))
        }
        None => ((if is_another { "two" } else { "one" }).to_owned(), Some(way.id(state))),
    })
}

/// Status and problem as the table says, and a challenge with each 401.
fn judge(response: &Response, answer: &str) -> Result<(), String> {
    let (status, problem) = match answer {
        "200 first" | "200 second" => (200, None),
        "401 missing" => (401, Some("credential-missing")),
        "401 invalid" => (401, Some("credential-invalid")),
        "400 malformed" => (400, Some("malformed-request")),
        _ => panic!("no answer: {answer}"),
    };
    if response.status != status || response.problem().as_deref() != problem {
        return Err(format!("{answer} expected, got {response:?}"));
    }
    if status == 401 && response.all("www-authenticate").is_empty() {
        return Err(format!("no challenge in {response:?}"));
    }
    Ok(())
}

fn records_name_the_caller(town: &Town, mut recorded: HashMap<String, (String, Named)>) {
    let mut findings = Findings::default();
    let count = recorded.len();
    town.gateway.stdout().expect("a record of each request", |line| {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        let id = record["request.id"].as_str().unwrap_or_default();
        if record["event.name"] == "portcullis.access"
            && let Some((case, named)) = recorded.remove(id)
        {
            let (consumer, credential) = (&record["portcullis.consumer"], &record["portcullis.credential"]);
            let is_right = match &named {
                Some((own, id)) => *consumer == **own && id.as_ref().is_none_or(|id| *credential == **id),
                None => consumer.is_null() && credential.is_null(),
            };
            findings.note(case, if is_right { Ok(()) } else { Err(format!("{named:?} expected: {line}")) });
        }
        recorded.is_empty().then_some(())
    });
    findings.conclude(count);
}

#[test]
fn what_nobody_can_prove_together_does_not_load() {
    let page = Page::read();
    let pairs: Vec<(Way, Way)> = page
        .pairs()
        .into_iter()
        .filter(|(_, _, relation)| *relation != Relation::Same)
        .map(|(first, second, _)| (first, second))
        .collect();
    let said = check_all_of(&page, &pairs);
    for (first, second) in pairs {
        for (first, second) in [(first, second), (second, first)] {
            let api = format!("apis.all_of-{}-{}.auth", first.slug(), second.slug());
            let line = said.lines().find(|line| line.contains(&api));
            assert!(line.is_some_and(|line| line.contains("nobody")), "{api}: {line:?} in {said}");
        }
    }
}
