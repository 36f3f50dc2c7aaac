//! The hash of keys of every type, as literal numbers: state and savepoints are laid out by it, so it never changes.

use std::cmp::Ordering;

use millstream_core::{
    impls::ByteString,
    key::{Key, combine, key_group, mix, owner_of},
    time::{Timestamp, Window},
};

#[track_caller]
fn check<K: Key>(key: K, hash: u64) {
    assert_eq!(K::hash(key.view()), hash, "the hash of {:?} is {:#018x}", key.view(), K::hash(key.view()));
}

#[test]
fn numbers_bool_and_char() {
    check(0_u8, 0x0000_0000_0000_0000);
    check(1_u8, 0xb456_bcfc_34c2_cb2c);
    check(u8::MAX, 0x1200_a2a6_1d24_8b28);
    check(0_u16, 0x0000_0000_0000_0000);
    check(1_u16, 0xb456_bcfc_34c2_cb2c);
    check(u16::MAX, 0x596f_4baf_0b89_2560);
    check(0_u32, 0x0000_0000_0000_0000);
    check(1_u32, 0xb456_bcfc_34c2_cb2c);
    check(u32::MAX, 0xcc71_ecda_2aa8_bcc6);
    check(0_u64, 0x0000_0000_0000_0000);
    check(1_u64, 0xb456_bcfc_34c2_cb2c);
    check(u64::MAX, 0x64b5_720b_4b82_5f21);
    check(1_i8, 0xb456_bcfc_34c2_cb2c);
    check(-1_i8, 0x64b5_720b_4b82_5f21);
    check(i8::MIN, 0xc1fa_0593_1b21_9234);
    check(1_i16, 0xb456_bcfc_34c2_cb2c);
    check(-1_i16, 0x64b5_720b_4b82_5f21);
    check(i16::MIN, 0x48c6_d5f4_98f4_4c65);
    check(1_i32, 0xb456_bcfc_34c2_cb2c);
    check(-1_i32, 0x64b5_720b_4b82_5f21);
    check(i32::MIN, 0xc4ca_2714_6b0a_922f);
    check(1_i64, 0xb456_bcfc_34c2_cb2c);
    check(-1_i64, 0x64b5_720b_4b82_5f21);
    check(i64::MIN, 0x8f78_0810_af31_a493);
    check(1_u128, 0x30fd_c656_4bbb_920d);
    check(u128::MAX, 0x37c0_62b5_c63f_cb7f);
    check(1_i128, 0x30fd_c656_4bbb_920d);
    check(-1_i128, 0x37c0_62b5_c63f_cb7f);
    check(i128::MIN, 0xd1f9_a22a_f8e8_3383);
    check(false, 0x0000_0000_0000_0000);
    check(true, 0xb456_bcfc_34c2_cb2c);
    check('a', 0x685f_df50_e51f_a977);
    check('\u{1f980}', 0xf68f_bcba_033a_178b);
}

#[test]
fn times() {
    check(Timestamp::from_millis(0), 0x0000_0000_0000_0000);
    check(Timestamp::from_millis(1_714_564_800_000), 0x96f1_366d_d7e2_2b70);
    check(Timestamp::MIN, 0x8f78_0810_af31_a493);
    check(Timestamp::MAX, 0xabb9_3df0_a930_edea);
    check(Window::new(Timestamp::from_millis(0), Timestamp::from_millis(60_000)), 0x24c0_9715_1e04_cb15);
}

#[test]
fn options_tuples_arrays_and_lists() {
    check(None::<u64>, 0x0000_0000_0000_0000);
    check(Some(0_u64), 0x30fd_c656_4bbb_920d);
    check(Some(7_u64), 0xfa3e_9bc0_74e7_0ae6);
    check(Some(None::<u8>), 0x30fd_c656_4bbb_920d);
    check((), 0x0000_0000_0000_0000);
    check((7_u64,), 0xfa3e_9bc0_74e7_0ae6);
    check((1_u32, -2_i64), 0x7036_01df_a8c7_0dd6);
    check((-2_i64, 1_u32), 0x9a2f_ec60_8b95_f3e1);
    check((1_u8, (2_u8, 3_u8)), 0x15fe_df76_3f15_494d);
    check(((1_u8, 2_u8), 3_u8), 0x964a_b767_9b2c_8471);
    check((1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 10_u8, 11_u8, 12_u8), 0xad0c_17b4_6b12_5834);
    check([1_u8, 2, 3], 0x96ff_32d8_9871_046b);
    check(<[u8; 0]>::default(), 0x0000_0000_0000_0000);
    check(vec![1_u8, 2, 3], 0x96ff_32d8_9871_046b);
    check(Vec::<u64>::new(), 0x0000_0000_0000_0000);
    check(vec![Some(1_u64), None], 0xd593_c0f0_a317_0474);
}

#[test]
fn text_and_bytes() {
    let text = |text: &str, hash| {
        check(text.to_owned(), hash);
        check(ByteString(text.as_bytes().to_vec()), hash);
    };
    // The first three are test vectors of XXH3 that others publish too.
    text("", 0x2d06_8005_38d3_94c2);
    text("a", 0xe6c6_32b6_1e96_4e1f);
    text("abc", 0x78af_5f94_892f_3950);
    text("energy", 0xa630_2bce_e23b_ca58);
    text("köln", 0x4d68_9a63_ce68_7316);
    text(&"x".repeat(17), 0x8997_5e6b_7d2f_5a11);
    text(&"x".repeat(129), 0xe4f9_7421_08fe_27dc);
    text(&"x".repeat(1000), 0xc0a4_877b_962c_ba82);
    check(ByteString((0..=255).collect()), 0x9408_a443_3b95_2d71);
    check(Some(String::new()), 0x498a_f515_e77d_b1d9);
    check(("energy".to_owned(), 7_u64), 0xdbed_cd10_9dd5_8dcb);
    check(vec!["a".to_owned(), "abc".to_owned()], 0x3afe_8684_268f_7b53);
}

#[test]
fn mixing() {
    assert_eq!((mix(0), mix(1), mix(u64::MAX)), (0, 0xb456_bcfc_34c2_cb2c, 0x64b5_720b_4b82_5f21));
    assert_eq!(combine(1, 2), 0x97e0_b554_12d4_ee99);
}

#[test]
fn groups_and_their_owners() {
    assert_eq!([0, 1 << 32, u64::MAX / 2, u64::MAX].map(|hash| key_group(hash, 128)), [0, 0, 63, 127]);
    assert_eq!(key_group(String::hash("energy"), 128), 83);
    for parallelism in 1..=128 {
        let owners: Vec<u32> = (0..128).map(|group| owner_of(group, 128, parallelism)).collect();
        assert!(owners.is_sorted() && owners[0] == 0 && owners[127] == parallelism - 1, "every subtask owns a range");
        let mut distinct = owners;
        distinct.dedup();
        assert_eq!(distinct.len(), parallelism as usize, "no subtask is left without groups");
    }
}

#[test]
fn a_hash_travels_where_it_costs_something() {
    fn carries<K: Key>() -> bool {
        K::CARRY_HASH
    }
    assert!(!carries::<u64>() && !carries::<i128>() && !carries::<char>() && !carries::<bool>() && !carries::<()>());
    assert!(!carries::<Timestamp>() && !carries::<Window>() && !carries::<Option<u8>>() && !carries::<(u8,)>());
    assert!(!carries::<[u8; 1]>() && !carries::<[u8; 0]>());
    assert!(carries::<String>() && carries::<ByteString>() && carries::<Option<String>>() && carries::<(String,)>());
    assert!(carries::<(u8, u8)>() && carries::<[u8; 2]>() && carries::<[String; 1]>() && carries::<Vec<u8>>());
}

#[test]
fn order_agrees_with_sameness() {
    #[track_caller]
    fn ascending<K: Key>(keys: &[K]) {
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys.iter().enumerate() {
                assert_eq!(K::compare(a.view(), b.view()), i.cmp(&j), "{:?} and {:?}", a.view(), b.view());
                assert_eq!(K::same(a.view(), b.view()), i == j);
                assert!(i != j || K::compare(a.view(), b.view()) == Ordering::Equal);
            }
        }
    }
    ascending(&[i8::MIN, -1, 0, 1, i8::MAX]);
    ascending(&["".to_owned(), "a".to_owned(), "aa".to_owned(), "b".to_owned(), "é".to_owned()]);
    ascending(&[b"".to_vec(), b"\x00".to_vec(), b"\xff".to_vec()].map(ByteString));
    ascending(&[None, Some(0_u8), Some(1)]);
    ascending(&[(0_u8, 1_i8), (1, -1), (1, 0), (2, -5)]);
    ascending(&[[0_u8, 9], [1, 0], [1, 1]]);
    ascending(&[vec![], vec![0_u8], vec![0, 0], vec![0, 1], vec![1]]);
    ascending(&[Timestamp::MIN, Timestamp::from_millis(0), Timestamp::MAX]);
    let at = Timestamp::from_millis;
    ascending(&[Window::new(at(0), at(5)), Window::new(at(0), at(6)), Window::new(at(1), at(2))]);
    ascending(&[()]);
}
