//! The Huffman code of field compression (RFC 7541 appendix B).
//!
//! The code is canonical: within a length codes count up in the order of symbols, and the first of a length
//! follows the last of the shorter one. So the lengths say everything.

/// For each length of code, the symbols that have it, as ranges; 256 is the end of a string.
const LENGTHS: &[(u32, &[(u16, u16)])] = &[
    (5, &[(48, 50), (97, 97), (99, 99), (101, 101), (105, 105), (111, 111), (115, 116)]),
    (
        6,
        &[
            (32, 32),
            (37, 37),
            (45, 47),
            (51, 57),
            (61, 61),
            (65, 65),
            (95, 95),
            (98, 98),
            (100, 100),
            (102, 104),
            (108, 110),
            (112, 112),
            (114, 114),
            (117, 117),
        ],
    ),
    (7, &[(58, 58), (66, 87), (89, 89), (106, 107), (113, 113), (118, 122)]),
    (8, &[(38, 38), (42, 42), (44, 44), (59, 59), (88, 88), (90, 90)]),
    (10, &[(33, 34), (40, 41), (63, 63)]),
    (11, &[(39, 39), (43, 43), (124, 124)]),
    (12, &[(35, 35), (62, 62)]),
    (13, &[(0, 0), (36, 36), (64, 64), (91, 91), (93, 93), (126, 126)]),
    (14, &[(94, 94), (125, 125)]),
    (15, &[(60, 60), (96, 96), (123, 123)]),
    (19, &[(92, 92), (195, 195), (208, 208)]),
    (20, &[(128, 128), (130, 131), (162, 162), (184, 184), (194, 194), (224, 224), (226, 226)]),
    (
        21,
        &[
            (153, 153),
            (161, 161),
            (167, 167),
            (172, 172),
            (176, 177),
            (179, 179),
            (209, 209),
            (216, 217),
            (227, 227),
            (229, 230),
        ],
    ),
    (
        22,
        &[
            (129, 129),
            (132, 134),
            (136, 136),
            (146, 146),
            (154, 154),
            (156, 156),
            (160, 160),
            (163, 164),
            (169, 170),
            (173, 173),
            (178, 178),
            (181, 181),
            (185, 187),
            (189, 190),
            (196, 196),
            (198, 198),
            (228, 228),
            (232, 233),
        ],
    ),
    (
        23,
        &[
            (1, 1),
            (135, 135),
            (137, 141),
            (143, 143),
            (147, 147),
            (149, 152),
            (155, 155),
            (157, 158),
            (165, 166),
            (168, 168),
            (174, 175),
            (180, 180),
            (182, 183),
            (188, 188),
            (191, 191),
            (197, 197),
            (231, 231),
            (239, 239),
        ],
    ),
    (
        24,
        &[
            (9, 9),
            (142, 142),
            (144, 145),
            (148, 148),
            (159, 159),
            (171, 171),
            (206, 206),
            (215, 215),
            (225, 225),
            (236, 237),
        ],
    ),
    (25, &[(199, 199), (207, 207), (234, 235)]),
    (
        26,
        &[
            (192, 193),
            (200, 202),
            (205, 205),
            (210, 210),
            (213, 213),
            (218, 219),
            (238, 238),
            (240, 240),
            (242, 243),
            (255, 255),
        ],
    ),
    (27, &[(203, 204), (211, 212), (214, 214), (221, 223), (241, 241), (244, 248), (250, 254)]),
    (28, &[(2, 8), (11, 12), (14, 21), (23, 31), (127, 127), (220, 220), (249, 249)]),
    (30, &[(10, 10), (13, 13), (22, 22), (256, 256)]),
];

/// Reads a string.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1)));
    let mut out = Vec::new();
    loop {
        match symbol(&mut bits) {
            Ok(symbol) => out.push(u8::try_from(symbol).map_err(|_| "the end of a string within it")?),
            // What is left must be the beginning of the end's code: ones, and less than a byte (§5.2).
            Err(rest) if rest.len() < 8 && rest.iter().all(|bit| *bit == 1) => return Ok(out),
            Err(rest) => return Err(format!("padding {rest:?}")),
        }
    }
}

/// The next symbol, or the bits that are left when there is none.
fn symbol(bits: &mut impl Iterator<Item = u32>) -> Result<u16, Vec<u32>> {
    let mut taken = Vec::new();
    let (mut code, mut first, mut length) = (0, 0, 0);
    for (wanted, ranges) in LENGTHS {
        while length < *wanted {
            let Some(bit) = bits.next() else { return Err(taken) };
            taken.push(bit);
            (code, first, length) = (code << 1 | bit, first << 1, length + 1);
        }
        for (low, high) in *ranges {
            let count = u32::from(high - low) + 1;
            if code < first + count {
                return Ok(low + u16::try_from(code - first).expect("within the range"));
            }
            first += count;
        }
    }
    Err(taken)
}
