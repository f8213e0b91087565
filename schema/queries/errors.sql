-- Which errors happen in which browsers, and do they come from many networks or from one?
SELECT template, browser, sum(count) AS times, sum(visitors) AS visitors, max(networks) AS networks_in_a_window
FROM errors
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY template, browser
ORDER BY times DESC
LIMIT 50
