//! `docs/credentials.md`, read: the ways to prove a caller, and what pairs of them get.

use std::fs;
use std::path::Path;

use super::ways::Way;

/// What a credential can be, as tables name it.
pub(super) const STATES: [&str; 6] = ["absent", "bad", "expired", "revoked", "good", "another's"];

/// The page.
pub(super) struct Page {
    ways: Vec<Described>,
    /// Of pairs that the same names: `any_of`, `all_of`.
    same: [Table; 2],
    different: Table,
    one_place: Table,
}

/// A way as the page has it.
struct Described {
    way: Way,
    namer: String,
    place: String,
    /// States that count as nothing there.
    absent: Vec<&'static str>,
}

/// Lines of cells, the head first.
type Table = Vec<Vec<String>>;

/// What pairs have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// One names both, and they stand at two places.
    Same,
    /// Nobody names both.
    Different,
    /// Both stand at one place.
    OnePlace,
}

impl Page {
    pub(super) fn read() -> Self {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/credentials.md");
        let page = fs::read_to_string(page).expect("the page");
        let mut found = tables(&page).into_iter();
        let mut next = |rows: usize, columns: usize| {
            let table = found.next().expect("one more table");
            assert!(table.len() == rows && table.iter().all(|row| row.len() == columns), "{table:?}");
            table
        };
        let ways = next(Way::ALL.len() + 1, 6);
        let same = [next(7, 7), next(7, 7)];
        let (different, one_place) = (next(6, 6), next(7, 3));
        let ways = ways.iter().skip(1).map(|row| described(row)).collect();
        Self { ways, same, different, one_place }
    }

    /// Every pair, each once, in the order of the page.
    pub(super) fn pairs(&self) -> Vec<(Way, Way, Relation)> {
        let mut pairs = Vec::new();
        for (at, first) in self.ways.iter().enumerate() {
            for second in self.ways.iter().skip(at + 1) {
                let relation = match (first.namer == second.namer, first.place == second.place) {
                    (_, true) => Relation::OnePlace,
                    (true, false) => Relation::Same,
                    (false, false) => Relation::Different,
                };
                pairs.push((first.way, second.way, relation));
            }
        }
        pairs
    }

    /// What `rule` answers to a pair in these states; `None` where the page says nothing, because it cannot be.
    pub(super) fn answer(&self, rule: &str, relation: Relation, pair: [(Way, &str); 2]) -> Option<String> {
        let [first, second] = pair.map(|(way, state)| self.counts_as(way, state));
        let cell = |table: &Table, row: &str, column: usize| {
            let row = table.iter().skip(1).find(|cells| cells[0] == row)?;
            Some(row[column].clone())
        };
        let column = |table: &Table, head: &str| table[0].iter().skip(1).position(|own| own == head);
        match (relation, rule) {
            (Relation::Same, _) => {
                let table = &self.same[usize::from(rule == "all_of")];
                cell(table, first, column(table, second)? + 1)
            }
            (Relation::Different, "any_of") => {
                cell(&self.different, first, column(&self.different, second)? + 1)
            }
            (Relation::OnePlace, "any_of") => match (first, second) {
                ("good", "good") => cell(&self.one_place, "two at once", 1),
                (first, "absent") => cell(&self.one_place, first, 1),
                ("absent", second) => cell(&self.one_place, second, 2),
                _ => None,
            },
            _ => None,
        }
    }

    /// The state as which the page says that a credential counts.
    pub(super) fn counts_as<'a>(&self, way: Way, state: &'a str) -> &'a str {
        let described = self.ways.iter().find(|described| described.way == way).expect("a way");
        if described.absent.contains(&state) { "absent" } else { state }
    }
}

fn described(row: &[String]) -> Described {
    let way = Way::ALL.into_iter().find(|way| way.on_page() == row[0]);
    let states = ["bad", "expired", "revoked"].into_iter().zip(&row[3..]);
    Described {
        way: way.unwrap_or_else(|| panic!("no way: {row:?}")),
        namer: row[1].clone(),
        place: row[2].clone(),
        absent: states.filter(|(_, cell)| *cell == "*absent*").map(|(state, _)| state).collect(),
    }
}

fn tables(page: &str) -> Vec<Table> {
    let mut tables = vec![Table::new()];
    for line in page.lines() {
        if let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) {
            let cells: Vec<String> = cells.split('|').map(|cell| cell.trim().replace('`', "")).collect();
            if cells.iter().any(|cell| cell != "---") {
                tables.last_mut().expect("a table").push(cells);
            }
        } else if tables.last().is_some_and(|table| !table.is_empty()) {
            tables.push(Table::new());
        }
    }
    tables.retain(|table| !table.is_empty());
    tables
}
