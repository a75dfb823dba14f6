//! Places of which few fit into memory: whatever is put, deleted, swept, killed, cut or damaged, every object is where a plain table has it.

use super::{Key, Packs, directory, look, mark, name, numbers};
use crate::Storage;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uuid::Uuid;

pub(super) const KEYS: usize = 60;
/// Room for three places.
pub(super) const MEMORY: usize = 240;

pub(super) fn key(number: usize) -> Key {
    let (metric, granularity) = (Uuid::from_u128(number as u128 / 15), [0, 60, 3600][number / 5 % 3]);
    Key { metric, granularity, stretch: (number % 5) as i64 - 2 }
}

pub(super) fn object(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| at.wrapping_mul(31).wrapping_add(seed.wrapping_mul(7)) as u8).collect()
}

type Change = (Key, Option<Vec<u8>>);

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<(usize, Option<usize>)>),
    Forget(usize),
    Sync,
    Sweep(usize),
    Reopen,
    /// The process ends, and the disk is damaged in some way.
    Crash(Damage, usize),
    /// The machine ends: what no sync has confirmed is cut off somewhere.
    Cut(usize),
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    None,
    NoSummary,
    HalfSummary,
    SpoiledSummary,
    SpoiledRun,
    ShortRun,
    NoRun,
    StrayRun,
}

fn step() -> impl Strategy<Value = Step> {
    use Damage::*;
    let change = (0..KEYS, prop::option::weighted(0.8, 0_usize..200));
    let damage =
        prop::sample::select(vec![None, NoSummary, HalfSummary, SpoiledSummary, SpoiledRun, ShortRun, NoRun, StrayRun]);
    prop_oneof![
        8 => prop::collection::vec(change, 1..8).prop_map(Step::Put),
        1 => (0..4_usize).prop_map(Step::Forget),
        2 => Just(Step::Sync),
        2 => any::<usize>().prop_map(Step::Sweep),
        1 => Just(Step::Reopen),
        2 => (damage, any::<usize>()).prop_map(|(damage, at)| Step::Crash(damage, at)),
        1 => any::<usize>().prop_map(Step::Cut),
    ]
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Changes the bytes of a file, if it is there.
pub(super) fn spoil(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    if let Ok(mut bytes) = std::fs::read(path) {
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
}

fn damage(path: &Path, damage: Damage, at: usize) {
    let summary = path.join("summary.json");
    let runs = numbers(path, ".places").unwrap();
    let run = runs.get(at % runs.len().max(1)).map(|number| path.join(format!("{number:08}.places")));
    let run = run.unwrap_or_else(|| path.join("none"));
    let flip = |bytes: &mut Vec<u8>| {
        let at = at % bytes.len();
        bytes[at] ^= 1 << (at % 7);
    };
    match damage {
        Damage::None => {}
        Damage::NoSummary => drop(std::fs::remove_file(summary)),
        Damage::HalfSummary => spoil(&summary, |bytes| bytes.truncate(at % bytes.len())),
        Damage::SpoiledSummary => spoil(&summary, flip),
        Damage::SpoiledRun => spoil(&run, flip),
        Damage::ShortRun => spoil(&run, |bytes| bytes.truncate(at % bytes.len())),
        Damage::NoRun => drop(std::fs::remove_file(run)),
        Damage::StrayRun => std::fs::write(path.join("00009999.places"), object(at % 9000, at)).unwrap(),
    }
}

fn table(changes: &[Change]) -> BTreeMap<Key, Vec<u8>> {
    let mut table = BTreeMap::new();
    for (key, object) in changes {
        match object {
            Some(object) => table.insert(*key, object.clone()),
            None => table.remove(key),
        };
    }
    table
}

pub(super) fn kept(packs: &Packs) -> BTreeMap<Key, Vec<u8>> {
    let all = (0..KEYS).map(key).filter_map(|key| Some((key, packs.get(&key).unwrap()?))).collect::<BTreeMap<_, _>>();
    let mut listed = Vec::new();
    packs.keys(&mut |key| listed.push(key)).unwrap();
    assert_eq!(listed, all.keys().copied().collect::<Vec<_>>());
    assert_eq!(packs.usage().unwrap().objects, all.len() as u64);
    let live: u64 = all.values().map(|object| object.len() as u64 + 48).sum();
    assert_eq!(packs.usage().unwrap().live, live);
    for number in (0..KEYS).step_by(5) {
        let Key { metric, granularity, .. } = key(number);
        let of = all.keys().filter(|key| (key.metric, key.granularity) == (metric, granularity));
        let expected: Vec<i64> = of.map(|key| key.stretch).filter(|stretch| *stretch > -2).collect();
        assert_eq!(packs.stretches(metric, granularity, -1..=9).unwrap(), expected);
    }
    all
}

struct Run {
    path: PathBuf,
    copies: usize,
    packs: Option<Packs>,
    changes: Vec<Change>,
    /// Changes that a sync has confirmed.
    synced: usize,
}

impl Run {
    fn new(name: &str) -> Run {
        let path = directory(name);
        std::fs::create_dir_all(&path).unwrap();
        let packs = Some(Packs::open(&path.join("0"), MEMORY).unwrap());
        Run { path, copies: 0, packs, changes: Vec::new(), synced: 0 }
    }

    fn packs(&self) -> &Packs {
        self.packs.as_ref().unwrap()
    }

    fn directory(&self) -> PathBuf {
        self.path.join(self.copies.to_string())
    }

    /// Goes on in a copy of the directory as it is at this moment.
    fn crash(&mut self, meanwhile: impl FnOnce(&Path)) {
        let from = self.directory();
        self.copies += 1;
        let to = self.directory();
        copy(&from, &to);
        self.packs = None;
        meanwhile(&to);
        self.packs = Some(Packs::open(&to, MEMORY).unwrap());
        assert_eq!(self.packs().damaged(), 0);
    }

    fn put(&mut self, changes: Vec<Change>) {
        self.packs().put(&changes).unwrap();
        self.changes.extend(changes);
    }

    fn step(&mut self, step: Step) {
        let opens = matches!(step, Step::Reopen | Step::Crash(..) | Step::Cut(_));
        match step {
            Step::Put(changes) => {
                let seed = self.changes.len();
                let change = |(number, length): (usize, Option<usize>)| (key(number), length.map(|l| object(l, seed)));
                self.put(changes.into_iter().map(change).collect());
            }
            Step::Forget(metric) => {
                self.packs().forget(Uuid::from_u128(metric as u128)).unwrap();
                let of_metric = (0..KEYS).map(key).filter(|key| key.metric.as_u128() == metric as u128);
                self.changes.extend(of_metric.map(|key| (key, None)));
            }
            Step::Sync => {
                self.packs().sync().unwrap();
                self.synced = self.changes.len();
            }
            Step::Sweep(which) => {
                let current = self.packs().writer().file.get();
                let mut files = numbers(&self.directory(), ".pack").unwrap();
                files.retain(|number| *number < current);
                if let Some(number) = files.get(which % files.len().max(1)) {
                    self.packs().sweep_file(*number).unwrap();
                    self.synced = self.changes.len();
                }
            }
            Step::Reopen => {
                self.packs = None;
                self.packs = Some(Packs::open(&self.directory(), MEMORY).unwrap());
            }
            Step::Crash(how, at) => self.crash(|path| damage(path, how, at)),
            Step::Cut(at) => {
                self.crash(|path| {
                    let Some(last) = numbers(path, ".pack").unwrap().pop() else { return };
                    spoil(&path.join(name(last)), |bytes| {
                        let marked = bytes.windows(8).rposition(|window| window == mark()).map_or(0, |at| at + 8);
                        bytes.truncate(marked + at % (bytes.len() - marked + 1));
                    });
                });
                let there = kept(self.packs());
                let many = (self.synced..=self.changes.len()).find(|many| table(&self.changes[..*many]) == there);
                self.changes
                    .truncate(many.expect("what is there is what was put up to some moment behind the last sync"));
            }
        }
        if opens {
            // An opening confirms what it finds.
            self.synced = self.changes.len();
        }
        assert_eq!(kept(self.packs()), table(&self.changes));
        let packs = self.packs();
        assert!(packs.with_index(|index| index.places.recent()) <= 3, "more is in memory than there is room for");
        assert_eq!(
            look::look_at_packs(&self.directory(), 1 << 20, &self.directory().with_extension("aside")).unwrap().places,
            None
        );
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_object_is_where_a_plain_table_has_it(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = Run::new("spills");
        steps.into_iter().for_each(|step| run.step(step));
    }
}

#[test]
fn a_deletion_outlives_the_file_that_told_it() {
    let mut run = Run::new("deletion");
    // The runs know the objects of the first file, and nothing of their deletion.
    run.put((0..10).map(|number| (key(number), Some(object(10, number)))).collect());
    run.step(Step::Reopen);
    run.put(vec![(key(3), None)]);
    run.step(Step::Reopen);
    run.put(vec![(key(20), Some(object(9, 1)))]);
    // Both files are swept before the deletion is spilled.
    let files = numbers(&run.directory(), ".pack").unwrap();
    for number in &files[..2] {
        run.packs().sweep_file(*number).unwrap();
    }
    run.step(Step::Crash(Damage::None, 0));
    run.step(Step::Crash(Damage::NoSummary, 0));
}

#[test]
fn what_no_sync_has_confirmed_is_spilled_by_the_opening() {
    let mut run = Run::new("confirmed");
    run.put([39, 30, 0, 15].map(|number| (key(number), Some(object(1, number)))).to_vec());
    run.step(Step::Reopen);
    run.step(Step::Forget(0));
    run.step(Step::Sweep(0));
    // Behind the last mark, where the table that is read again is full.
    run.put(vec![(key(38), None), (key(49), Some(object(143, 1)))]);
    run.step(Step::Crash(Damage::NoSummary, 0));
}

#[test]
fn files_begin_behind_those_that_were_swept() {
    let mut run = Run::new("numbers");
    run.put((0..10).map(|number| (key(number), Some(object(10, number)))).collect());
    run.step(Step::Reopen);
    run.put((0..10).map(|number| (key(number), None)).collect());
    run.step(Step::Reopen);
    run.step(Step::Sync);
    assert!(numbers(&run.directory(), ".pack").unwrap().len() < 2, "files without objects go");
    run.step(Step::Reopen);
    run.put(vec![(key(1), Some(object(5, 5)))]);
    run.step(Step::Crash(Damage::None, 0));
}

#[test]
fn places_that_are_damaged_meanwhile_are_made_again() {
    let path = directory("page");
    let packs = Packs::open(&path, MEMORY).unwrap();
    let mut model: BTreeMap<Key, Vec<u8>> = (0..KEYS).map(|number| (key(number), object(10, number))).collect();
    packs.put(&model.clone().into_iter().map(|(key, object)| (key, Some(object))).collect::<Vec<_>>()).unwrap();
    let ways: [fn(&Packs); 4] = [
        |packs| assert_eq!(packs.get(&key(9)).unwrap(), Some(object(10, 9))),
        |packs| assert_eq!(packs.stretches(key(9).metric, key(9).granularity, -9..=9).unwrap().len(), 5),
        |packs| packs.put(&[(key(9), Some(object(10, 9)))]).unwrap(),
        |packs| packs.sweep_file(1).unwrap(),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        // All places are on disk, and no page of them is in memory.
        let packs = Packs::open(&path, MEMORY).unwrap();
        for run in numbers(&path, ".places").unwrap() {
            spoil(&path.join(format!("{run:08}.places")), |bytes| match number {
                0 => bytes.truncate(100),
                _ => bytes[100] ^= 1,
            });
        }
        assert!(look::look_at_packs(&path, 0, &path.with_extension("aside")).unwrap().places.is_some());
        way(&packs);
        assert_eq!(look::look_at_packs(&path, 0, &path.with_extension("aside")).unwrap().places, None);
        let more: BTreeMap<Key, Vec<u8>> =
            (number..number + 4).map(|number| (key(number), object(number, 1))).collect();
        packs.put(&more.clone().into_iter().map(|(key, object)| (key, Some(object))).collect::<Vec<_>>()).unwrap();
        model.extend(more);
        assert_eq!(kept(&packs), model);
    }
    assert_eq!(kept(&Packs::open(&path, MEMORY).unwrap()), model);
    std::fs::remove_dir_all(&path).unwrap();
}
