-- Which errors happen in which browsers, and do they come from many networks or from one?
SELECT template, browser, sum(count) AS times, sum(visitors) AS visitors, max(networks) AS networks_in_a_window
FROM errors
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY template, browser
ORDER BY times DESC
LIMIT 50
