//! Which schemas say something else in requests than in responses.

use super::super::{SchemaId, Schemas};
use super::Direction;

/// Of each schema, whether a part of what it describes stands one way only.
#[derive(Debug)]
pub(super) enum Directed {
    /// No schema of the document does, or each may: a dynamic reference leads where the way to it says.
    All(bool),
    Each(Vec<bool>),
}

impl Directed {
    pub(super) fn of(schemas: &Schemas) -> Self {
        let own = schemas.iter().filter(|(_, schema)| schema.is_read_only || schema.is_write_only);
        let mut waiting: Vec<SchemaId> = own.map(|(id, _)| id).collect();
        if waiting.is_empty() || schemas.has_anchors() {
            return Self::All(!waiting.is_empty());
        }
        let mut above: Vec<Vec<SchemaId>> = vec![Vec::new(); schemas.len()];
        for (id, schema) in schemas.iter() {
            schema.below(&mut |below| {
                above.get_mut(below.index()).into_iter().for_each(|above| above.push(id))
            });
        }
        let mut directed = vec![false; schemas.len()];
        while let Some(id) = waiting.pop() {
            if let Some(known) = directed.get_mut(id.index()).filter(|known| !**known) {
                *known = true;
                waiting.extend(above.get(id.index()).into_iter().flatten());
            }
        }
        Self::Each(directed)
    }

    /// The direction that a schema is to be looked at for: any, where that makes no difference.
    pub(super) fn needed(&self, id: SchemaId, direction: Option<Direction>) -> Option<Direction> {
        let is_directed = match self {
            Self::All(all) => *all,
            Self::Each(each) => each.get(id.index()).copied().unwrap_or(true),
        };
        if is_directed { direction } else { direction.map(|_| Direction::Request) }
    }
}
