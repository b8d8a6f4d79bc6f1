//! API definitions in; positioned documents, operation matchers and validators out.
//!
//! Pure: no sockets, no clock. Whoever calls hands texts in; the one place that reads files is
//! [`definition::Folder`], which keeps references within a folder.
//!
//! * [`source`]: JSON and YAML as one tree that knows where everything stands.
//! * [`definition`]: an OpenAPI document as the operations a gateway publishes.
//! * [`value`]: JSON read strictly, or built from parameters and forms, onto a flat tape.
//! * [`engine`]: values judged by the schemas of a definition.
//! * [`contract`]: a definition enforced.
//! * [`project`]: answers written anew, as far as their schema goes.
//! * [`schema`]: the schemas of a definition as one graph.
//! * [`difference`]: what another version of a definition breaks.
//! * [`instance`]: values made from schemas.
//! * [`mock`]: answers made of a definition alone.
//! * [`template`]: path templates as definitions and configuration write them.
//! * [`media_type`], [`coding`], [`multipart`]: what a body says it is, its coding undone, its parts told as they pass.
//! * [`parameters`]: parameters and url-encoded forms, read as values.
//! * [`jsonpath`]: queries on such trees.
//! * [`overlay`]: changes that are laid on a document before it is read.
//! * [`lint`]: how much of a definition protects.
//! * [`matcher`]: from a method and a canonical path to the operation that takes the request.

pub mod coding;
pub mod contract;
pub mod definition;
pub mod difference;
pub mod engine;
pub mod instance;
pub mod jsonpath;
pub mod lint;
pub mod matcher;
pub mod media_type;
pub mod mock;
pub mod multipart;
pub mod overlay;
pub mod parameters;
pub mod project;
pub mod schema;
pub mod source;
pub mod template;
pub mod value;
