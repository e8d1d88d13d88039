//! Damage: what is repaired, what is refused, and that nothing is thrown away.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::path::PathBuf;

use gov::state::HistoryQuery;
use gov::state::Store;
use gov::state::StoreError;
use gov::state::codec;
use gov::state::local;
use gov::state::local::LocalStore;
use gov::state::summary::Ledger;

use super::fixture::*;

fn segment(dir: &Path) -> PathBuf {
    dir.join("journal/00000001.log")
}

/// A store of a few environments, with an index up to its end; and what it holds.
fn furnished(dir: &Path) -> Ledger {
    let store = local(dir);
    block_on(async {
        for number in 1..4 {
            furnish(&store, number, 2).await;
        }
        put(&store, None, vec![frozen("while we look")]).await;
        store.checkpoint().unwrap();
        store.ledger().await.unwrap()
    })
}

fn ledger_of(store: &LocalStore) -> Ledger {
    block_on(store.ledger()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The offsets at which frames begin, and the end.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut offsets = vec![0];
    while let Ok(header) = codec::decode_header(&bytes[offsets[offsets.len() - 1]..]) {
        offsets.push(offsets[offsets.len() - 1] + header.frame_bytes());
    }
    offsets
}

fn damaged(dir: &Path) -> String {
    let before = fs::read(segment(dir)).ok();
    match open(dir) {
        Err(StoreError::Damaged(why)) => {
            assert_eq!(fs::read(segment(dir)).ok(), before, "the journal was changed");
            why
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_index_is_read_and_a_missing_or_broken_one_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = furnished(dir.path());
    let store = open(dir.path()).unwrap();
    assert_eq!(ledger_of(&store), wanted);
    assert_eq!(store.notices(), Vec::<String>::new(), "nothing was wrong");

    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(ledger_of(&store), wanted);
    assert!(store.notices()[0].contains("the index was missing"), "{:?}", store.notices());
    store.checkpoint().unwrap();
    assert_eq!(open(dir.path()).unwrap().notices(), Vec::<String>::new());

    // Noise in every file of it, of which some makes sled panic.
    for entry in fs::read_dir(dir.path().join("index")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let length = fs::metadata(&path).unwrap().len();
            let noise: Vec<u8> = (0..length).map(|n| (n.wrapping_mul(167) >> 3) as u8).collect();
            fs::write(&path, noise).unwrap();
        }
    }
    let store = open(dir.path()).unwrap();
    assert_eq!(ledger_of(&store), wanted);
    assert!(store.notices()[0].contains("index.broken-"), "{:?}", store.notices());
    store.checkpoint().unwrap();
    assert_eq!(open(dir.path()).unwrap().notices(), Vec::<String>::new());
}

/// Bytes changed here and there: sled fails, panics, or reads on; the ledger is right every time.
#[test]
fn no_damage_to_the_index_reaches_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = furnished(dir.path());
    let work = tempfile::tempdir().unwrap();
    for round in 0..24_u64 {
        let place = work.path().join(round.to_string());
        copy(dir.path(), &place);
        let db = fs::OpenOptions::new().write(true).open(place.join("index/db")).unwrap();
        let length = db.metadata().unwrap().len();
        let at = length.min(60_000) * round / 24;
        db.write_all_at(&[0xA5; 64], at).unwrap();
        let store = open(&place).unwrap();
        assert_eq!(ledger_of(&store), wanted, "at {at}");
        let snapshot = block_on(store.snapshot(environment(2))).unwrap().unwrap();
        assert_eq!(snapshot.resources.len(), 2);
    }
}

#[test]
fn an_index_that_is_behind_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    furnished(dir.path());
    let kept = tempfile::tempdir().unwrap();
    copy(&dir.path().join("index"), &kept.path().join("index"));
    let store = open(dir.path()).unwrap();
    block_on(furnish(&store, 9, 2));
    store.checkpoint().unwrap();
    let wanted = ledger_of(&store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    copy(&kept.path().join("index"), &dir.path().join("index"));
    let store = open(dir.path()).unwrap();
    assert_eq!(ledger_of(&store), wanted);
    let snapshot = block_on(store.snapshot(environment(9))).unwrap().unwrap();
    assert_eq!(snapshot.resources.len(), 2);
}

/// After the machine went down, an index that was not completely written is not believed.
#[test]
fn an_index_of_another_boot_is_believed_only_where_it_was_complete() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = furnished(dir.path());
    let mark = dir.path().join("index.mark");
    fs::write(&mark, "another-boot complete\n").unwrap();
    assert!(open(dir.path()).unwrap().notices().is_empty());
    fs::write(&mark, "another-boot writing\n").unwrap();
    let store = open(dir.path()).unwrap();
    assert!(store.notices()[0].contains("the machine went down"), "{:?}", store.notices());
    assert_eq!(ledger_of(&store), wanted);
}

#[test]
fn a_journal_shorter_than_the_index_knows_is_lost_history() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = furnished(dir.path());
    let whole = fs::read(segment(dir.path())).unwrap();
    let offsets = frames(&whole);
    let last = offsets[offsets.len() - 2];
    for length in [0, offsets[3], last, whole.len() - 1] {
        fs::write(segment(dir.path()), &whole[..length]).unwrap();
        let why = damaged(dir.path());
        assert!(why.contains("history was lost") && why.contains("backup"), "{length}: {why}");
    }
    fs::remove_file(segment(dir.path())).unwrap();
    assert!(damaged(dir.path()).contains("history is missing"));
    fs::write(segment(dir.path()), &whole).unwrap();
    assert_eq!(ledger_of(&open(dir.path()).unwrap()), wanted, "index and journal were kept");
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    block_on(furnish(&store, 1, 1));
    let before = ledger_of(&store);
    let intact = fs::read(segment(dir.path())).unwrap();
    block_on(put(&store, None, vec![frozen("the last frame")]));
    let whole = fs::read(segment(dir.path())).unwrap();
    for length in intact.len() + 1..whole.len() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        copy(dir.path(), place);
        fs::write(segment(place), &whole[..length]).unwrap();
        let store = open(place).unwrap();
        assert_eq!(ledger_of(&store), before, "{length}");
        let notices = store.notices().join("\n");
        assert!(notices.contains("not completely written"), "{length}: {notices}");
        assert_eq!(fs::read(segment(place)).unwrap(), intact);
        let torn = fs::read_dir(place.join("journal")).unwrap().map(|e| e.unwrap().path());
        let torn = torn.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("torn-"));
        let torn: Vec<PathBuf> = torn.collect();
        assert_eq!(fs::read(&torn[0]).unwrap(), &whole[intact.len()..length]);
        // And it goes on from there.
        if length % 50 == 0 {
            block_on(put(&store, None, vec![frozen("again")]));
            assert_eq!(ledger_of(&open(place).unwrap()).globals.frozen[0].1, "again");
        }
    }
    // A last frame of full length whose checksum is wrong is torn as well.
    let mut wrong = whole.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    fs::write(segment(dir.path()), &wrong).unwrap();
    assert_eq!(ledger_of(&open(dir.path()).unwrap()), before);
}

#[test]
fn a_torn_tail_that_the_index_has_read_is_no_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    furnished(dir.path());
    let whole = fs::read(segment(dir.path())).unwrap();
    fs::write(segment(dir.path()), &whole[..whole.len() - 10]).unwrap();
    assert!(damaged(dir.path()).contains("history was lost"));
}

#[test]
fn a_damaged_middle_stops_everything_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    furnished(dir.path());
    let whole = fs::read(segment(dir.path())).unwrap();
    let offsets = frames(&whole);
    for (frame, shift) in [(2, 0), (2, 9), (3, 40), (4, 70), (5, 200)] {
        let mut bytes = whole.clone();
        bytes[offsets[frame] + shift] ^= 0x10;
        fs::write(segment(dir.path()), &bytes).unwrap();
        let _ = fs::remove_dir_all(dir.path().join("index"));
        let why = damaged(dir.path());
        let place = format!("00000001.log at byte {}", offsets[frame]);
        assert!(why.contains(&place), "frame {frame}+{shift}: {why}");
        let report = local::verify(dir.path(), &options()).unwrap();
        assert_eq!(report.frames, u64::try_from(frame).unwrap());
        assert_eq!(report.findings[0].rule.number, 1, "{:?}", report.findings);
    }
}

/// With an index, damage further back is met by whoever reads what lies there, and by verify.
#[test]
fn damage_that_the_index_hides_is_met_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    furnished(dir.path());
    let mut bytes = fs::read(segment(dir.path())).unwrap();
    let offsets = frames(&bytes);
    bytes[offsets[2] + 100] ^= 1;
    fs::write(segment(dir.path()), &bytes).unwrap();
    let store = open(dir.path()).unwrap();
    let met = block_on(store.snapshot(environment(1)));
    assert!(matches!(met, Err(StoreError::Damaged(_))), "{met:?}");
    assert!(block_on(store.snapshot(environment(2))).is_ok());
    let history = block_on(store.history(HistoryQuery::default()));
    assert!(matches!(history, Err(StoreError::Damaged(_))), "{history:?}");
}

#[test]
fn frames_of_another_store_do_not_pass() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    furnished(ours.path());
    let store = local(theirs.path());
    block_on(furnish(&store, 5, 1));
    let foreign = fs::read(segment(theirs.path())).unwrap();
    let whole = fs::read(segment(ours.path())).unwrap();

    // Their whole segment in place of ours: the index knows better.
    fs::write(segment(ours.path()), &foreign).unwrap();
    assert!(damaged(ours.path()).contains("history was lost or replaced"));
    // Their segment after ours, and one of their frames after ours: the chain breaks.
    fs::write(segment(ours.path()), &whole).unwrap();
    fs::write(ours.path().join("journal/00000002.log"), &foreign).unwrap();
    assert!(damaged(ours.path()).contains("the chain breaks"));
    fs::remove_file(ours.path().join("journal/00000002.log")).unwrap();
    let offsets = frames(&foreign);
    let spliced = [&whole[..], &foreign[offsets[2]..offsets[3]]].concat();
    fs::write(segment(ours.path()), spliced).unwrap();
    assert!(damaged(ours.path()).contains("the chain breaks"));
    // A frame left out breaks it as well.
    fs::remove_dir_all(ours.path().join("index")).unwrap();
    let offsets = frames(&whole);
    let without = [&whole[..offsets[3]], &whole[offsets[4]..]].concat();
    fs::write(segment(ours.path()), without).unwrap();
    assert!(damaged(ours.path()).contains("the chain breaks"));
}

#[test]
fn verify_rebuild_and_export_agree_on_a_sound_store() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = furnished(dir.path());
    let report = local::verify(dir.path(), &options()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.frames, report.events, report.environments), (2 + 3 * 7, 2 + 3 * 8, 3));
    assert_eq!(local::rebuild(dir.path(), options()).unwrap().len(), 1);
    assert_eq!(local::verify(dir.path(), &options()).unwrap(), report);
    assert_eq!(ledger_of(&open(dir.path()).unwrap()), wanted);
    let mut lines = Vec::new();
    assert_eq!(local::export(dir.path(), &mut lines).unwrap(), report.events);
    let text = String::from_utf8(lines).unwrap();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["leaf"]["type"], line["payload"]["event"]["type"]);
    }
}

#[test]
fn verify_names_an_index_that_tells_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    furnished(dir.path());
    let other = tempfile::tempdir().unwrap();
    furnished(other.path());
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    copy(&other.path().join("index"), &dir.path().join("index"));
    let report = local::verify(dir.path(), &options()).unwrap();
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert_eq!(report.findings[0].rule.number, 3);
}

#[test]
fn there_is_one_store_in_a_folder_and_none_where_none_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let missing = open(dir.path());
    assert!(matches!(missing, Err(StoreError::Unavailable(why)) if why.contains("no store")));
    let create = || LocalStore::create(dir.path(), options(), store_id(), now(), actor());
    create().unwrap();
    assert!(matches!(create(), Err(StoreError::Unavailable(why)) if why.contains("already")));
    assert_eq!(ledger_of(&local(dir.path())).globals.store, Some(store_id()));
}

#[test]
fn a_store_that_a_newer_gov_wrote_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    furnished(dir.path());
    let mut bytes = fs::read(segment(dir.path())).unwrap();
    let last = {
        let offsets = frames(&bytes);
        offsets[offsets.len() - 2]
    };
    let end = bytes.len();
    let mut newer = bytes[last..].to_vec();
    newer[4] = 9;
    let crc = codec_crc(&newer[..codec::HEADER_BYTES - 4]);
    newer[codec::HEADER_BYTES - 4..codec::HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&newer);
    fs::write(segment(dir.path()), &bytes).unwrap();
    let refused = open(dir.path());
    assert!(matches!(refused, Err(StoreError::Unavailable(why)) if why.contains("newer gov")));
    assert!(fs::metadata(segment(dir.path())).unwrap().len() > u64::try_from(end).unwrap());
}

fn codec_crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}
