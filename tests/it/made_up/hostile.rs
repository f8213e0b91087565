//! The values that hurt: huge numbers, long texts, bad patterns, texts that look like states.

pub(super) const COUNTS: [&str; 14] = [
    "0",
    "1",
    "2",
    "3",
    "10",
    "64",
    "100",
    "1000",
    "65536",
    "1000000",
    "100000000",
    "2147483647",
    "4294967296",
    "9223372036854775807",
];

pub(super) const NUMBERS: [&str; 22] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "10",
    "100",
    "255",
    "-128",
    "65536",
    "1000000",
    "2147483647",
    "-2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "toUInt256('115792089237316195423570985008687907853269984665640564039457584007913129639935')",
    "number",
    "number * 1000003",
    "NULL",
];

pub(super) const FLOATS: [&str; 12] = [
    "0.5",
    "0.99",
    "-0.0",
    "1e308",
    "-1e308",
    "nan",
    "inf",
    "-inf",
    "1e-320",
    "number / 3",
    "toDecimal64(1.5, 18)",
    "2",
];

pub(super) const TEXTS: [&str; 48] = [
    "''",
    "'a'",
    "'abc'",
    "'UTC'",
    "'second'",
    "'*'",
    "'a,b;c'",
    "toString(number)",
    "repeat('a', 1000)",
    "repeat('a', 100000)",
    "repeat('a', 900000)",
    "repeat('ab/', 300000)",
    "repeat('[', 100000)",
    "repeat('(', 10000)",
    "repeat('{\"a\":', 10000)",
    "repeat('<a>', 100000)",
    "repeat('http://a.kz/?b=', 10000)",
    "repeat('.', 1000)",
    "repeat('-', 500000)",
    "repeat(toString(number), 100000)",
    "'(a*)*b'",
    "'(.*)(.*)(.*)x'",
    "'a?.*?b|a'",
    "'((a{0,100}){0,100}){0,10}'",
    "'[[:alpha:]'",
    "'\\\\1\\\\2'",
    "'%'",
    "'%_%_%_%_%_%x'",
    "'%s %d %2000000000d'",
    "'{0} {1} {}'",
    "'%Y-%m-%d %H:%i:%s'",
    "'%%%E%Q'",
    "unhex('ff00fe80c3')",
    "unhex('0100000000000000ffffffffffffffff')",
    "base64Decode('AAAAAAAAAAD/////')",
    "char(0, 0, 0)",
    "'\u{1F469}\u{200D}\u{1F52C} \u{e9}'",
    "'{\"a\": [1, {\"b\": null}], \"c\": \"d\"}'",
    "'[1, 2, 3]'",
    "'https://a.kz:8080/b/c?d=e&f=%20#g'",
    "'2026-11-29 00:00:00'",
    "'::ffff:10.0.0.1'",
    "'192.168.0.0/33'",
    "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'",
    "'POLYGON((0 0,1 1,1 0,0 0))'",
    "'$.a[*].b'",
    "'u4pruydqqvj'",
    "toFixedString('abc', 16)",
];

pub(super) const STATES: [&str; 7] = [
    "",
    "00",
    "01",
    "ffffffffffffffffff01",
    "80808080808080808001",
    "0100000000000000ffffffffffffff7f",
    "ffffffff0000000000000000000000000000000000000000",
];

pub(super) const DATES: [&str; 9] = [
    "now()",
    "today()",
    "toDate(number)",
    "toDateTime64('2026-01-01 00:00:00', 9)",
    "toDate32('1900-01-01')",
    "toDateTime(4294967295)",
    "toIntervalDay(2147483647)",
    "INTERVAL 3000000000 SECOND",
    "toDateTime64('2299-12-31', 3, 'Asia/Almaty')",
];

pub(super) const MAPS: [&str; 5] =
    ["map()", "map('a', 1)", "mapFromArrays(range(1000), range(1000))", "map('a', map('b', 1))", "map(number, 'x')"];

pub(super) const LAMBDAS: [&str; 7] =
    ["x -> x", "x -> x + 1", "(x, y) -> x", "x -> range(1000000)", "x -> throwIf(x)", "(x, y) -> y < x", "x -> 1"];

pub(super) const DOCUMENTS: [&str; 3] =
    ["'{\"a\": {\"b\": [1, {\"c\": null}]}}'", "'{}'::JSON", "concat(repeat('{\"a\":', 5000), '1', repeat('}', 5000))"];

pub(super) const SHAPES: [&str; 6] = [
    "(0., 0.)",
    "[(0., 0.), (1., 0.), (1., 1.)]",
    "[[(0., 0.), (1e308, 0.), (nan, 1.)]]",
    "[[[(0., 0.), (5., 0.), (5., 5.)]]]",
    "[arrayMap(x -> (x * 1.0, x * x * 1.0), range(10000))]",
    "readWKTPolygon('POLYGON((0 0,1 1,1 0,0 0))')",
];
