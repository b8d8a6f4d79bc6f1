//! Members and items that several schemas of a composition describe: what these say of one is a composition as well.
//!
//! So none of them closes it by itself. Each is written as a part, open, and the outermost schema of all closes it by what
//! those declare together that hold, see [`crate::engine`]. The same goes on within, as deep as schemas share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::super::{SchemaId, Schemas};
use super::composition::Composition;
use super::numbered::Numbered;
use super::{COMPOSITION_MAX, Context, Direction, Emitter, Role};

/// Most sets of schemas that describe members together, of one document.
const SETS_MAX: usize = 10_000;
/// Lists within lists are looked through as far as that.
const LISTS_MAX: usize = 4;

/// What of a value several schemas describe, each with the number of their set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Sharing<'a> {
    // Invariant: sorted.
    names: Vec<(&'a str, u32)>,
    items: Option<u32>,
}

/// Schemas that describe one value together.
#[derive(Clone, Debug)]
struct Set {
    schemas: Vec<SchemaId>,
    /// Once it was asked for.
    together: Option<Together>,
}

/// What the schemas of a set come to. PERF: asked for by each of them.
#[derive(Clone, Debug)]
struct Together {
    composition: Rc<Composition>,
    /// What of the value they share in turn.
    sharing: u32,
    /// Names that no message of a direction may have.
    hidden: Vec<(Option<Direction>, u32)>,
}

/// All of a document.
#[derive(Debug, Default)]
pub(super) struct Shared<'a> {
    sharings: Numbered<Sharing<'a>>,
    sets: HashMap<Vec<SchemaId>, u32, RandomState>,
    by_number: Vec<Set>,
    /// Of schemas that were asked for, whether they declare members. PERF: asked for with each composition that has them.
    describes: HashMap<SchemaId, bool, RandomState>,
}

impl<'a> Shared<'a> {
    fn set(&self, number: u32) -> Option<&Set> {
        self.by_number.get(usize::try_from(number).ok()?)
    }

    /// The set of a member that is shared.
    pub(super) fn of_name(&self, number: u32, name: &str) -> Option<u32> {
        let names = &self.sharings.get(number)?.names;
        let at = names.binary_search_by(|(own, _)| (*own).cmp(name)).ok()?;
        names.get(at).map(|(_, set)| *set)
    }

    /// The set of items that are shared.
    pub(super) fn of_items(&self, number: u32) -> Option<u32> {
        self.sharings.get(number)?.items
    }
}

impl<'a> Emitter<'a> {
    /// What of a value the schemas of a composition share; 0 for nothing.
    pub(super) fn sharing(&mut self, composition: &Composition, id: SchemaId, context: Context) -> u32 {
        if composition.len() < 2 {
            return 0;
        }
        let mut names: BTreeMap<&'a str, Vec<SchemaId>> = BTreeMap::new();
        let mut items = Vec::new();
        for member in composition.all() {
            self.visits = self.visits.saturating_add(1);
            let schema = self.schemas.get(member);
            for property in &schema.object().properties {
                self.visits = self.visits.saturating_add(1);
                add(self.schemas, names.entry(&property.name).or_default(), property.schema);
            }
            let array = schema.array();
            if array.prefix_items.is_empty() {
                array.items.into_iter().for_each(|item| add(self.schemas, &mut items, item));
            }
        }
        let mut sharing = Sharing::default();
        for (name, schemas) in names {
            if let Some(set) = self.set(schemas, id, context) {
                sharing.names.push((name, set));
            }
        }
        sharing.items = self.set(items, id, context);
        self.shared.sharings.number(sharing)
    }

    /// The number of a set, if several of it declare members.
    fn set(&mut self, mut schemas: Vec<SchemaId>, id: SchemaId, context: Context) -> Option<u32> {
        if schemas.len() < 2 {
            return None;
        }
        schemas.sort_unstable();
        if let Some(known) = self.shared.sets.get(&schemas) {
            return Some(*known);
        }
        let mut declare = 0_usize;
        for schema in &schemas {
            let of = self.schemas;
            let known = self.shared.describes.entry(*schema);
            let declares = *known.or_insert_with(|| describes(of, *schema, LISTS_MAX));
            declare = declare.saturating_add(usize::from(declares));
        }
        if declare < 2 {
            return None;
        }
        if self.shared.by_number.len() >= SETS_MAX {
            self.lack(context, id, "", "too many schemas describe the same members");
            return None;
        }
        let number = u32::try_from(self.shared.by_number.len()).ok()?;
        self.shared.sets.insert(schemas.clone(), number);
        self.shared.by_number.push(Set { schemas, together: None });
        Some(number)
    }

    /// Where one schema of a set stands, and what the set says.
    pub(super) fn within_set(
        &mut self,
        set: u32,
        id: SchemaId,
        context: Context,
    ) -> Option<(Context, Rc<Composition>)> {
        let context = Context { role: Role::Part, is_in_place: false, ..context.alone() };
        let Set { schemas, together } = self.shared.set(set)?.clone();
        let direction = context.lens.direction;
        let mut together = match together {
            Some(known) => known,
            None => {
                let mut composition = Composition::of_none();
                let mut seen = HashSet::default();
                for schema in schemas {
                    composition.join(self.composition(schema, context), &mut seen);
                }
                let sharing = self.sharing(&composition, id, context);
                Together { composition: Rc::new(composition), sharing, hidden: Vec::new() }
            }
        };
        let known = together.hidden.iter().find(|(known, _)| *known == direction);
        let hidden = match known {
            Some((_, hidden)) => *hidden,
            None => {
                let hidden = self.hide(&together.composition, context).hidden;
                together.hidden.push((direction, hidden));
                let place = usize::try_from(set).ok().and_then(|set| self.shared.by_number.get_mut(set));
                place.into_iter().for_each(|set| set.together = Some(together.clone()));
                hidden
            }
        };
        let context = Context { shared: together.sharing, hidden, ..context };
        Some((self.part(id, context), together.composition))
    }

    /// Of what is shared here, what another schema describes.
    pub(super) fn shared_for(&mut self, id: SchemaId, context: Context) -> u32 {
        let Some(mut sharing) =
            self.shared.sharings.get(context.shared).filter(|_| context.shared != 0).cloned()
        else {
            return 0;
        };
        let composition = self.composition(id, Context { is_chosen: false, ..context });
        let mut has_items = false;
        let mut declared: HashSet<&str, RandomState> = HashSet::default();
        for member in composition.all() {
            let schema = self.schemas.get(member);
            declared.extend(schema.object().properties.iter().map(|property| &*property.name));
            has_items |= schema.array().items.is_some();
        }
        sharing.names.retain(|(name, _)| declared.contains(name));
        sharing.items = sharing.items.filter(|_| has_items);
        self.shared.sharings.number(sharing)
    }
}

/// Adds what a schema refers to, if it does nothing else: two references to one schema are one.
fn add(schemas: &Schemas, to: &mut Vec<SchemaId>, id: SchemaId) {
    let mut id = id;
    for _ in 0..super::CHAIN_MAX {
        match schemas.get(id).only_reference() {
            Some(next) => id = next,
            None => break,
        }
    }
    if !to.contains(&id) {
        to.push(id);
    }
}

/// Whether a schema declares members, of its value or of items of it.
fn describes(schemas: &Schemas, id: SchemaId, deeper: usize) -> bool {
    let composition = Composition::gather(schemas, id, false, COMPOSITION_MAX).0;
    let Some(deeper) = deeper.checked_sub(1) else { return false };
    composition.declares(schemas, false)
        || composition
            .all()
            .any(|member| schemas.get(member).array().items.is_some_and(|id| describes(schemas, id, deeper)))
}
