//! Field tables of Parquet's Thrift metadata (parquet-format 2.12): file metadata and page headers.

use crate::thrift::Fields;
use crate::thrift::Kind::{Byte, Fields as Of, List, Number, Real, Text, Truth};

/// The header before each page.
pub(crate) const PAGE: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Number),
    (5, Of(&[(1, Number), (2, Number), (3, Number), (4, Number), (5, Of(STATISTICS))])),
    (6, Of(&[])),
    (7, Of(&[(1, Number), (2, Number), (3, Truth)])),
    (8, Of(PAGE_2)),
];

const PAGE_2: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Truth),
    (8, Of(STATISTICS)),
];

const STATISTICS: Fields =
    &[(1, Text), (2, Text), (3, Number), (4, Number), (5, Text), (6, Text), (7, Truth), (8, Truth)];

/// The metadata at the end of a file.
pub(crate) const FILE: Fields = &[
    (1, Number),
    (2, List(&Of(COLUMN_TYPE))),
    (3, Number),
    (4, List(&Of(GROUP))),
    (5, List(&Of(PAIR))),
    (6, Text),
    (7, List(&Of(&[(1, Of(&[]))]))),
    (9, Text),
];

const PAIR: Fields = &[(1, Text), (2, Text)];

const COLUMN_TYPE: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Text),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, Number),
    (9, Number),
    (10, Of(MEANING)),
];

/// The logical type of a column, a union of these fields.
const MEANING: Fields = &[
    (1, Of(&[])),
    (2, Of(&[])),
    (3, Of(&[])),
    (4, Of(&[])),
    (5, Of(&[(1, Number), (2, Number)])),
    (6, Of(&[])),
    (7, Of(TIME)),
    (8, Of(TIME)),
    (10, Of(&[(1, Byte), (2, Truth)])),
    (11, Of(&[])),
    (12, Of(&[])),
    (13, Of(&[])),
    (14, Of(&[])),
    (15, Of(&[])),
    (16, Of(&[(1, Byte)])),
    (17, Of(&[(1, Text)])),
    (18, Of(&[(1, Text), (2, Number)])),
];

const TIME: Fields = &[(1, Truth), (2, Of(&[(1, Of(&[])), (2, Of(&[])), (3, Of(&[]))]))];

const GROUP: Fields = &[
    (1, List(&Of(COLUMN))),
    (2, Number),
    (3, Number),
    (4, List(&Of(&[(1, Number), (2, Truth), (3, Truth)]))),
    (5, Number),
    (6, Number),
    (7, Number),
];

const COLUMN: Fields = &[
    (1, Text),
    (2, Number),
    (3, Of(COLUMN_DATA)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (9, Text),
];

const COLUMN_DATA: Fields = &[
    (1, Number),
    (2, List(&Number)),
    (3, List(&Text)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, List(&Of(PAIR))),
    (9, Number),
    (10, Number),
    (11, Number),
    (12, Of(STATISTICS)),
    (13, List(&Of(&[(1, Number), (2, Number), (3, Number)]))),
    (14, Number),
    (15, Number),
    (16, Of(&[(1, Number), (2, List(&Number)), (3, List(&Number))])),
    (17, Of(&[(1, Of(PLACES)), (2, List(&Number))])),
];

const PLACES: Fields =
    &[(1, Real), (2, Real), (3, Real), (4, Real), (5, Real), (6, Real), (7, Real), (8, Real)];
