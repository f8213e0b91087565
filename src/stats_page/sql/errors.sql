-- Which errors of scripts happen, and in which versions of browsers and systems?
SELECT template, browser, major, os, sum(count) AS count, sum(visitors) AS visitors
FROM errors
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY template, browser, major, os
ORDER BY count DESC
LIMIT 1000
