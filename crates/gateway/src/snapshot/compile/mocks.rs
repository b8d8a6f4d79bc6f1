//! Operations that are answered from their definition.

use std::sync::Arc;

use portcullis_openapi::mock::Mock;

use super::Compiler;
use super::operations::Origin;
use crate::config::{ApiDefinition, Settings};
use crate::pipeline::Policy;
use crate::policies::mock::Mocked;

impl Compiler<'_> {
    /// What answers an operation in place of its backend, if something does. An error may end in `; hint: …`.
    pub(super) fn mocked(
        &mut self,
        api: &str,
        settings: &Settings,
        origin: Origin<'_>,
        place: Arc<str>,
    ) -> Result<Option<Arc<dyn Policy>>, String> {
        let Some(settings) = settings.mock.filter(|mock| mock.is_on) else { return Ok(None) };
        let Origin::Definition(definition, operation, index) = origin else {
            return Err(
                "is in no definition that `mock` could answer from; hint: declare it there".to_owned()
            );
        };
        let mock = self.mock_of(api, definition)?;
        for (response, why) in mock.faults(index, settings.seed) {
            let message = format!("the response {response} cannot be made: {why}");
            let span = definition.span(operation.span);
            let hint = "write an example; until then who is answered with it gets 501";
            self.warnings.push(self.loaded.finding_at(span, &operation.pointer, message).with_hint(hint));
        }
        Ok(Some(Arc::new(Mocked::new(mock, index, settings.seed, place))))
    }

    /// One for all operations of an API.
    fn mock_of(&mut self, api: &str, definition: &ApiDefinition) -> Result<Arc<Mock>, String> {
        if let Some((name, mock)) = &self.mock
            && **name == *api
        {
            return Ok(Arc::clone(mock));
        }
        let compiled = Mock::compile(definition.definition(), |_| true);
        let mock =
            Arc::new(compiled.map_err(|findings| {
                findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            })?);
        self.mock = Some((api.into(), Arc::clone(&mock)));
        Ok(mock)
    }
}
