use std::os::unix::fs::PermissionsExt;

use occopus_engine::ids::StoreId;

use super::*;

struct Bench {
    base: tempfile::TempDir,
    folder: Folder,
    record: Record,
}

fn bench() -> Bench {
    let base = tempfile::tempdir().unwrap();
    let identity = crate::conformance::identity(&StoreId::from("a-store"), 1);
    let folder = Folder::of(base.path(), "a-store", "an-infra", "an-attempt").unwrap();
    Bench { base, folder, record: Record::new(identity, Duration::from_secs(3)) }
}

fn prepared() -> Bench {
    let bench = bench();
    bench.folder.prepare(&bench.record).unwrap();
    bench
}

#[test]
fn what_was_written_is_read_and_private() {
    let bench = prepared();
    assert_eq!(bench.folder.record().unwrap().unwrap(), bench.record);
    assert_eq!(Folder::all(bench.base.path(), "a-store").unwrap(), std::slice::from_ref(&bench.folder));
    assert_eq!(Folder::all(bench.base.path(), "another").unwrap(), []);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(bench.folder.path()), 0o700);
    assert_eq!(mode(&bench.folder.path().join(RECORD)), 0o600);
    bench.folder.open_log().unwrap();
    assert_eq!(mode(&bench.folder.path().join("log")), 0o600);
}

#[test]
fn an_absent_folder_is_nobody() {
    let Bench { folder, .. } = bench();
    assert_eq!(folder.record().unwrap(), None);
    assert_eq!(folder.claim().unwrap(), None);
    assert_eq!(folder.cancel().unwrap(), None);
    assert_eq!(folder.log_tail(10).unwrap(), "");
    assert!(folder.remove().unwrap());
}

#[test]
fn the_first_claim_wins() {
    let bench = prepared();
    let claim = bench.folder.path().join(CLAIM);
    fs::write(&claim, "77 123 some-boot\n").unwrap();
    let started = Claim::Started { boot: "some-boot".to_owned(), birth: Birth { pid: 77, start: 123 } };
    assert_eq!(bench.folder.cancel().unwrap(), Some(started));
    fs::remove_file(&claim).unwrap();
    assert_eq!(bench.folder.cancel().unwrap(), Some(Claim::Void));
    assert_eq!(bench.folder.cancel().unwrap(), Some(Claim::Void));
}

#[test]
fn half_a_claim_is_void() {
    for text in ["", "77", "77 123", "77 123 some-bo", "x 123 some-boot\n"] {
        assert_eq!(Claim::parse(text), Claim::Void, "{text:?}");
    }
}

#[test]
fn an_address_once_chosen_stays_unless_it_proved_taken() {
    let bench = prepared();
    let [one, two] = [Ipv4Addr::new(127, 1, 0, 1), Ipv4Addr::new(127, 2, 0, 2)];
    assert_eq!(bench.folder.choose_address(one, None).unwrap(), one);
    assert_eq!(bench.folder.choose_address(two, None).unwrap(), one);
    assert_eq!(bench.folder.choose_address(two, Some(one)).unwrap(), two);
    assert_eq!(bench.folder.address().unwrap(), Some(two));
}

#[test]
fn the_stop_began_when_it_was_first_asked_for() {
    let bench = prepared();
    let at = |seconds| bench.folder.stopping_since(Duration::from_secs(seconds)).as_secs();
    assert_eq!([at(100), at(107)], [100, 100]);
}

#[test]
fn the_log_is_cut_to_whole_lines() {
    let bench = prepared();
    let lines = "first line\nsecond line\nthird\n";
    bench.folder.open_log().unwrap().write_all(lines.as_bytes()).unwrap();
    assert_eq!(bench.folder.log_tail(1000).unwrap(), lines);
    assert_eq!(bench.folder.log_tail(10).unwrap(), "third\n");
}

#[test]
fn removal_takes_empty_parents_and_leaves_neighbours() {
    let bench = prepared();
    let neighbour = Folder::of(bench.base.path(), "a-store", "an-infra", "another").unwrap();
    neighbour.prepare(&bench.record).unwrap();
    fs::write(bench.folder.work().join("data"), "x").unwrap();
    bench.folder.cancel().unwrap();
    assert!(bench.folder.remove().unwrap());
    assert!(bench.folder.remove().unwrap());
    assert_eq!(Folder::all(bench.base.path(), "a-store").unwrap(), std::slice::from_ref(&neighbour));
    assert!(neighbour.remove().unwrap());
    assert_eq!(fs::read_dir(bench.base.path()).unwrap().count(), 0);
}

#[test]
fn identifiers_never_lead_out_of_the_base_nor_meet() {
    for (text, name) in [
        ("an-Infra_1.2", "an-Infra_1.2"),
        ("..", "%2E."),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("é", "%C3%A9"),
    ] {
        assert_eq!(component(text).as_deref(), Some(name));
    }
    assert_eq!(component(""), None);
    assert_eq!(component(&"x".repeat(300)), None);
}
