-- Which errors of scripts happen, and in which browsers?
SELECT template, browser, sum(count) AS count, sum(visitors) AS visitors
FROM errors
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY template, browser
ORDER BY count DESC
LIMIT 100
