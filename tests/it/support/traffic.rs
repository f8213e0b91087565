//! Days of traffic that the engine generates in the vault, as a function of site, day and number.

use jiff::Timestamp;
use tamga::publish::Window;
use tamga::store::Store;

/// Visits of one day: three hundred pages, forty sources, ten countries with eighteen regions each, all of very
/// different sizes. Nine of ten visitors are confirmed. A visit has 2.7 views and 4.6 events on average.
const VISITS: &str = "INSERT INTO events (batch, site, day, window_end, visitor, visit, view, confirmed, network, new_day, new_week,
    new_month, new_ever, new_window, visit_number, type, path, previous_path, step, duration_s, engaged_s, entry_channel, entry_source,
    entry_medium, entry_campaign, exit_domain, name, variant, absence,
    cohort)
WITH (number, values, power) -> toUInt32(floor(values * pow((number % 1000003) / 1000003, power))) AS skewed
SELECT
    cityHash64(second, 'batch'), {site:String}, {day:Date}, toDateTime({end:UInt32}, 'UTC'),
    toFixedString(unhex(hex(sipHash128(who, {site:String}, {day:Date}))), 16),
    toFixedString(reinterpretAsFixedString(cityHash64(v, {site:String}, {day:Date}, 'visit')), 16),
    toFixedString(reinterpretAsFixedString(cityHash64(v, n, {site:String}, {day:Date}, 'view')), 16),
    cityHash64(who, {day:Date}) % 10 > 0, skewed(cityHash64(who, 'network', {day:Date}), 256, 1.3), true,
    toDayOfWeek({day:Date}) = 1 OR cityHash64(who, 'new', {day:Date}) % 10 < 4,
    toDayOfMonth({day:Date}) = 1 OR cityHash64(who, 'new', {day:Date}) % 10 < 2, cityHash64(who, 'new', {day:Date}) % 10 < 1,
    v = who AND n = 0 AND s = 0,
    ['1', '2', '3-5', '6-20', '21+'][1 + skewed(cityHash64(who, 'number', {day:Date}), 5, 2)],
    ['view', 'engage', 'event', 'exit'][s + 1], if(s = 0, page, ''), if(s = 0 AND n > 0, before, ''), n + 1,
    [0, 5, 10, 30, 60, 180, 600, 1800][1 + least(7, n + cityHash64(v, n, 'duration') % 3)],
    if(s = 1, [0, 5, 10, 30, 60, 180][1 + cityHash64(v, n, 'engaged') % 6], 0),
    if(s = 0 AND n = 0, channel, ''),
    if(s = 0 AND n = 0 AND channel != 'direct', concat('s', toString(skewed(cityHash64(v, 'source'), 40, 4)), '.kz'), ''),
    if(s = 0 AND n = 0 AND channel = 'paid', 'cpc', ''),
    if(s = 0 AND n = 0 AND channel = 'paid', concat('c', toString(skewed(cityHash64(v, 'campaign'), 12, 2))), ''),
    if(s = 3, concat('exit', toString(skewed(cityHash64(v, n, 'exit'), 60, 3)), '.kz'), ''),
    if(s = 2, ['cart', 'lead', 'paid', 'login', 'button'][1 + skewed(cityHash64(v, n, 'name'), 5, 1.5)] AS called, ''),
    if(s = 2 AND called = 'button', ['a', 'b'][1 + cityHash64(v, 'variant') % 2], ''),
    if(n = 0 AND s = 0, ['never', '1', '2-3', '4-7', '8-14', '15-30', '31-90'][1 + skewed(cityHash64(who, 'absence', {day:Date}), 7, 1.5)], ''),
    ['0', '1', '2', '3', '4', '5-8', '9-13', '14-26'][1 + skewed(cityHash64(who, 'cohort'), 8, 1.5)]
FROM
(
    SELECT
        number AS v,
        number % intDiv({visits:UInt32} * 17, 20) AS who,
        ['direct', 'search', 'social', 'referral', 'paid', 'messenger', 'email', 'ai'][1 + toUInt32(floor(8 * pow((cityHash64(v, 'channel') % 1000003) / 1000003, 2)))] AS channel,
        arrayJoin(range(least(30, 1 + toUInt32(-2.25 * log(1 - (cityHash64(number, 'length', {day:Date}) % 1000000) / 1000000))))) AS n,
        arrayJoin(arrayFilter(s -> s = 0 OR s = 1 AND cityHash64(number, n, 'e') % 10 < 6
            OR s = 2 AND cityHash64(number, n, 'n') % 100 < 6 OR s = 3 AND cityHash64(number, n, 'x') % 100 < 3, range(4))) AS s,
        least(86399, cityHash64(number, 'began', {day:Date}) % 86400 + n * (10 + cityHash64(number, 'pace') % 120) + s * 8) AS second,
        concat('/page/', toString(toUInt32(floor(300 * pow((cityHash64(v, n, 'page', {day:Date}) % 1000003) / 1000003, 3))))) AS page,
        concat('/page/', toString(toUInt32(floor(300 * pow((cityHash64(v, n - 1, 'page', {day:Date}) % 1000003) / 1000003, 3))))) AS before
    FROM numbers({from:UInt32}, {count:UInt32})
)
SETTINGS max_insert_threads = 2";

/// What the same visits keep apart: place, client, device and hour, each under pseudonyms of its own. A visitor's second visit has
/// its own pseudonyms.
const APART: &str = "INSERT INTO attributes (batch, site, day, window_end, attribute, value, detail, visitor, confirmed, network, new_week, new_month, step)
WITH (number, values, power) -> toUInt32(floor(values * pow((number % 1000003) / 1000003, power))) AS skewed
SELECT
    cityHash64(second, 'batch'), {site:String}, {day:Date}, toDateTime({end:UInt32}, 'UTC'),
    row.1, row.2, row.3,
    toFixedString(reinterpretAsFixedString(sipHash64(if(is_later AND row.4 = 1, v, who), row.1, is_later AND row.4 = 1, {site:String}, {day:Date})), 16),
    NOT (is_later AND row.4 = 1) AND cityHash64(who, {day:Date}) % 10 > 0, skewed(cityHash64(who, 'network', {day:Date}), 256, 1.3),
    toDayOfWeek({day:Date}) = 1 OR cityHash64(who, 'new', {day:Date}) % 10 < 4,
    toDayOfMonth({day:Date}) = 1 OR cityHash64(who, 'new', {day:Date}) % 10 < 2, row.4
FROM
(
    SELECT
        number AS v,
        number % intDiv({visits:UInt32} * 17, 20) AS who,
        v != who AS is_later,
        cityHash64(number, 'began', {day:Date}) % 86400 AS second,
        least(86399, second + 10 + cityHash64(number, 'pace') % 120) AS after,
        toUInt32(-2.25 * log(1 - (cityHash64(number, 'length', {day:Date}) % 1000000) / 1000000)) > 0 AS goes_on,
        ['KZ', 'RU', 'UZ', 'KG', 'DE', 'TR', 'US', 'CN', 'GE', 'AE'][1 + skewed(cityHash64(who, 'country'), 10, 5)] AS country,
        arrayJoin(arrayConcat([
            ('place', country, concat(country, '-', toString(skewed(cityHash64(who, 'region'), 18, 2))), 1),
            ('client', ['Chrome', 'Safari', 'Yandex Browser', 'Firefox', 'Edge', 'Samsung Internet', 'Opera', 'other'][1 + skewed(cityHash64(who, 'browser'), 8, 3)],
                toString(120 + skewed(cityHash64(who, 'major'), 30, 5)), 1),
            ('device', ['phone', 'desktop', 'tablet', 'tv'][1 + skewed(cityHash64(who, 'device'), 4, 3)],
                ['Android', 'Windows', 'iOS', 'macOS', 'Linux', 'other'][1 + skewed(cityHash64(who, 'os'), 6, 2)], 1),
            ('hour', leftPad(toString(intDiv(second, 3600)), 2, '0'), '', 1),
            ('pair country channel', country, ['direct', 'search', 'social', 'referral', 'paid', 'messenger', 'email', 'ai'][1 + toUInt32(floor(8 * pow((cityHash64(v, 'channel') % 1000003) / 1000003, 2)))], 1)],
            if(goes_on, [('hour', leftPad(toString(intDiv(after, 3600)), 2, '0'), '', 2)], []))) AS row
    FROM numbers({from:UInt32}, {count:UInt32})
)
SETTINGS max_insert_threads = 2";

/// Their views by hour.
const VIEWS: &str = "INSERT INTO tallies
SELECT 9, {site:String}, {day:Date}, toDateTime({end:UInt32}, 'UTC'), concat('views:', leftPad(toString(of_day), 2, '0')), count()
FROM
(
    SELECT
        arrayJoin(range(least(30, 1 + toUInt32(-2.25 * log(1 - (cityHash64(number, 'length', {day:Date}) % 1000000) / 1000000))))) AS n,
        intDiv(least(86399, cityHash64(number, 'began', {day:Date}) % 86400 + n * (10 + cityHash64(number, 'pace') % 120)), 3600) AS of_day
    FROM numbers({from:UInt32}, {count:UInt32})
)
GROUP BY of_day";

/// Visits that one insert makes.
const PIECE: u32 = 100_000;

/// Inserts a day of a site into the vault, in the window that ends at `end`.
pub(crate) async fn day(vault: &Store, site: &str, day: &Window, end: Timestamp, visits: u32) {
    for from in (0..visits).step_by(PIECE as usize) {
        let parameters = [
            ("site", site.to_owned()),
            ("day", day.first_day.to_string()),
            ("end", end.as_second().to_string()),
            ("visits", visits.to_string()),
            ("from", from.to_string()),
            ("count", PIECE.min(visits - from).to_string()),
        ];
        for rows in [VISITS, APART, VIEWS] {
            vault.execute(rows, &parameters).await.unwrap();
        }
    }
}
