-- Which errors happen in which versions of browsers and systems, and do they come from many networks or from one?
-- `error` is the 95 % error by noise of `times`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT template, browser, major, os, sum(e.count) AS times, if(browser = '(other)', NULL, round(2 * 1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error,
       sum(visitors) AS visitors, max(networks) AS networks_in_a_window
FROM errors AS e
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY template, browser, major, os
ORDER BY times DESC
