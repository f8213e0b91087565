-- At which hours of which days of the week is the site used? Monday is 1.
SELECT toDayOfWeek(toDate(window_start, {zone:String})) AS weekday, hour, sum(views) AS views, sum(visits) AS visits
FROM hours
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY weekday, hour
ORDER BY weekday, hour
