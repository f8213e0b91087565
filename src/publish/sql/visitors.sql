-- Each pseudonym of the window with what it did, suspects left out. The table's order (site, visitor, …) lets the engine
-- finish one pseudonym before it begins the next; of one pseudonym 2,000 views and longer engagements are looked at at
-- most. No lambda holds an array, so that memory grows with the rows and not with their square.
-- `counts`: a confirmed visitor; in windows of 7 days, on its first day of the week, so that nobody counts twice.
-- `class` is what the network cap counts by: the network's byte, in windows of 7 days that of the day.
-- `acts` are in the order of visit and step, engagements of ten seconds and more after the views of their visit.
-- `views`: path, hour, channel, source; whether it began its visit, ended it, and was all of it. A visit whose first view
-- is in another window has neither beginning nor end here.
SELECT
    visitor,
    max(confirmed) AND (NOT {week:Bool} OR max(new_week)) AS counts,
    if({week:Bool}, toUInt16(dateDiff('day', {first_day:Date}, min(day))) * 256, 0) + min(network) AS class,
    arraySort(groupArrayIf(2000)(
        (visit, if(type = 'view', step, toUInt8(255)), path, hour, entry_channel, entry_source),
        type = 'view' OR engaged_s >= 10)) AS acts,
    arrayShiftRight(acts.1, 1) AS before,
    arrayShiftLeft(acts.1, 1) AS after,
    arrayFill((step, visit, previous) -> visit != previous, acts.2, acts.1, before) AS opened,
    arrayFilter(view -> view.8, arrayMap((act, previous, next, next_step, first_step) -> (
        act.3,
        act.4,
        act.5,
        act.6,
        act.1 != previous AND act.2 = 1,
        first_step = 1 AND (act.1 != next OR next_step = 255),
        act.1 != previous AND act.2 = 1 AND act.1 != next,
        act.2 != 255), acts, before, after, arrayShiftLeft(acts.2, 1), opened)) AS views,
    arrayCount(view -> view.5, views) AS began,
    min((country = '', hour, country, region)) AS first_place,
    min((browser = '', hour, browser, browser_major)) AS first_client,
    (first_place.3, first_place.4) AS place,
    (first_client.3, first_client.4) AS client
FROM events
WHERE {within} AND {slice}
GROUP BY site, visitor
