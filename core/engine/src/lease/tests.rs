use super::*;

#[test]
fn this_process_is_not_dead_and_one_with_its_id_but_another_start_is() {
    let here = Holder::this_process("test");
    assert!(!here.is_provably_dead());
    let reused = Holder { start_time: here.start_time + 1, ..here.clone() };
    assert!(reused.is_provably_dead());
    let gone = Holder { pid: u32::MAX, ..here.clone() };
    assert!(gone.is_provably_dead());
    let elsewhere = Holder { boot_id: "another boot".to_owned(), pid: u32::MAX, ..here };
    assert!(!elsewhere.is_provably_dead(), "nothing can be known about a process of another boot");
}

#[test]
fn a_holder_is_named_in_words() {
    let holder = Holder { pid: 4711, host: "host".to_owned(), ..Holder::this_process("occopus watch") };
    let info = LeaseInfo { holder: Some(holder), since: Timestamp::UNIX_EPOCH, observed_at: None };
    assert_eq!(info.describe(), "`occopus watch` (process 4711 on host, since 1970-01-01T00:00:00Z)");
    assert_eq!(LeaseInfo { holder: None, ..info }.describe(), "nobody");
}
