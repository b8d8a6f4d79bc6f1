//! The contract: an API's definition, enforced.
//!
//! A definition is compiled once, into one set of validators for all of its schemas and one [`OperationContract`] for each
//! operation; requests are judged by these and nothing is compiled for them. What is compiled is lowered by a [`Lowering`],
//! which knows two ends only: enforced, or a [`Gap`]. So the [`Coverage`] is no second opinion about the definition but a
//! by-product of compiling it.
//!
//! # Failure
//! A gap on the side of requests means that a request could not be judged: whoever serves the API refuses such an operation
//! or lets requests pass, by configuration. A gap on the side of responses is told. What has no meaning at all (a dispatch
//! document that does not compile) refuses the definition: that is a fault of ours, and no default to pass.
//!
//! # Limits
//! Where the document states no bound, those of [`Options`] hold, and [`Coverage`] names them. Where it states larger ones, these
//! count for what they are about. At most [`GAPS_MAX`] gaps of an operation are listed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::definition::Definition;
use crate::engine::Validators;
use crate::project::Plan;
use crate::schema::Schemas;
use crate::source::Finding;
use crate::value::Limits;

pub mod body;
pub mod coverage;
mod fields;
pub mod lowering;
pub mod parameters;
pub mod response;
pub mod violations;

pub use crate::parameters::head::{HeadFields, RequestHead};
pub use body::{BodyContract, BodyFault, BodyNeeds, Chosen, Judging};
pub use coverage::{Coverage, DefaultBound, GAPS_MAX, Gap, OperationCoverage, Side};
pub use lowering::Lowering;
pub use parameters::Parameters;
pub use response::Responses;
pub use violations::{Place, Violation, Violations};

/// How a definition is enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bounds of requests, where the document states none.
    pub requests: Limits,
    /// Bounds of responses, where the document states none.
    pub responses: Limits,
    /// Whether answers are stripped, so that it has to be told which branch of a choice one means.
    pub chooses_branches: bool,
    /// What operations do differently, by their index in the definition.
    pub operations: BTreeMap<usize, OperationOptions>,
}

/// How one operation is enforced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationOptions {
    /// What becomes of members of objects that are not declared.
    pub undeclared: Undeclared,
    /// Bounds of its requests and of its responses where the document states none, if they are not those of the others.
    pub limits: Option<(Limits, Limits)>,
}

/// What becomes of members of objects that the document does not declare, where it does not speak of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Undeclared {
    /// They are refused.
    #[default]
    Refuse,
    /// They pass, as JSON Schema has it.
    Pass,
}

/// The definition of one API, ready to judge by.
#[derive(Debug)]
pub struct Contract {
    operations: Vec<OperationContract>,
    coverage: Coverage,
    validators: Arc<Validators>,
    schemas: Arc<Schemas>,
    plan: Plan,
}

/// What requests and responses of one operation are judged by.
#[derive(Debug)]
pub struct OperationContract {
    validators: Arc<Validators>,
    limits: Arc<Limits>,
    answers: Arc<Limits>,
    parameters: Parameters,
    body: BodyContract,
    responses: Responses,
    gaps: Arc<[Gap]>,
    has_request_gap: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            requests: Limits::REQUEST,
            responses: Limits::RESPONSE,
            chooses_branches: false,
            operations: BTreeMap::new(),
        }
    }
}

impl Contract {
    /// Compiles all operations of a definition.
    ///
    /// # Errors
    /// When the document that is made of its schemas does not compile.
    pub fn compile(definition: &Definition, options: &Options) -> Result<Self, Vec<Finding>> {
        let mut lowering = Lowering::new(definition, options);
        let mut parts = Vec::with_capacity(definition.operations.len());
        let mut answers = Vec::with_capacity(definition.operations.len());
        let mut plan = Plan::default();
        for (index, operation) in definition.operations.iter().enumerate() {
            lowering.begin(index);
            let parameters = Parameters::compile(operation, &mut lowering);
            let body = BodyContract::compile(operation.body.as_ref(), &mut lowering);
            parts.push((parameters, body, lowering.limits()));
            answers.push(Responses::compile(&operation.responses, &mut lowering, &mut plan));
            lowering.end();
        }
        plan.classify(&definition.schemas);
        if options.chooses_branches {
            plan.compile(|schema| lowering.loose(schema));
        }
        let mut lowered = lowering.finish();
        let validators = Arc::new(lowered.validators()?);
        let coverage = lowered.coverage();
        let operations = parts
            .into_iter()
            .zip(answers)
            .zip(&coverage.operations)
            .map(|(((parameters, mut body, (limits, answers)), responses), covered)| {
                body.close(&covered.gaps);
                OperationContract {
                    validators: Arc::clone(&validators),
                    limits,
                    answers,
                    has_request_gap: covered.is_request_uncovered(body.ranges()),
                    parameters,
                    body,
                    responses,
                    gaps: Arc::clone(&covered.gaps),
                }
            })
            .collect();
        let schemas = Arc::clone(&definition.schemas);
        Ok(Self { operations, coverage, validators, schemas, plan })
    }

    /// The contract of an operation, by its index in the definition.
    pub fn operation(&self, index: usize) -> Option<&OperationContract> {
        self.operations.get(index)
    }

    /// What is enforced.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// What answers of an operation are judged with, by its index in the definition.
    pub fn judge(&self, operation: usize) -> response::Judge<'_> {
        response::Judge {
            schemas: &self.schemas,
            validators: &self.validators,
            plan: &self.plan,
            limits: self.operation(operation).map_or(&Limits::RESPONSE, |own| &own.answers),
        }
    }

    /// The schemas of all operations.
    pub fn validators(&self) -> &Arc<Validators> {
        &self.validators
    }
}

impl OperationContract {
    /// What is not enforced.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// What of requests is not enforced.
    pub fn request_gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| gap.side == Side::Request)
    }

    /// Whether no request can be judged to its end. A gap of one media type among several is one of requests of that type.
    pub fn has_request_gap(&self) -> bool {
        self.has_request_gap
    }

    /// Judges the parameters of a request.
    pub fn judge_head(&self, head: &RequestHead<'_>, found: &mut Violations) {
        self.parameters.judge(head, &self.limits, &self.validators, found);
    }

    /// Which parameters of the path's template are written in style `matrix` and judged.
    pub fn matrix_parameters(&self) -> impl Iterator<Item = usize> {
        self.parameters.matrix()
    }

    /// What it answers.
    pub fn responses(&self) -> &Responses {
        &self.responses
    }

    /// What its body may be.
    pub fn body(&self) -> &BodyContract {
        &self.body
    }

    /// Judges a body that [`BodyContract::choose`] has found a type for.
    ///
    /// # Errors
    /// When the body is no document of its type.
    pub fn judge_body(&self, chosen: Chosen, bytes: &[u8], found: &mut Violations) -> Result<(), BodyFault> {
        self.body.judge(chosen, bytes, &self.limits, &self.validators, found)
    }

    /// Judges a body by its length, if that is all that is judged of it; says whether it is.
    pub fn judge_length(&self, chosen: Chosen, length: u64, found: &mut Violations) -> bool {
        self.body.judge_length(chosen, length, found)
    }

    /// Begins to judge a body piece by piece.
    ///
    /// # Errors
    /// Its media type says nothing of use.
    pub fn begin_body(&self, chosen: Chosen) -> Result<Judging, BodyFault> {
        self.body.begin(chosen)
    }

    /// Judges the next piece of a body.
    ///
    /// # Errors
    /// It is no document of its type; nothing more may be asked then.
    pub fn body_piece(&self, judging: &mut Judging, piece: &[u8]) -> Result<(), BodyFault> {
        self.body.piece(judging, piece)
    }

    /// Judges a body whose pieces have all come.
    ///
    /// # Errors
    /// It is no document of its type.
    pub fn end_body(&self, judging: Judging, found: &mut Violations) -> Result<(), BodyFault> {
        self.body.end(judging, &self.limits, &self.validators, found)
    }
}

#[cfg(test)]
mod tests;
