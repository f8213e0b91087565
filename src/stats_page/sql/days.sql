-- How many views, visits and visitors did the site have, day by day, and how wide is the noise of a day?
-- A day of which a window is not complete, or none is published, says so.
SELECT day, views, visits, visitors, noise, complete
FROM (SELECT toDate(window_start, {zone:String}) AS day, sqrt(sum(sigma * sigma)) AS noise, min(complete) AS complete
      FROM publications
      WHERE site = {site:String}
        AND window_start >= toDateTime({from:Date}, {zone:String})
        AND window_start < toDateTime({to:Date}, {zone:String})
      GROUP BY day) AS ledger
LEFT JOIN (SELECT toDate(window_start, {zone:String}) AS day, sum(views) AS views, sum(visits) AS visits, sum(new_day) AS visitors
           FROM site
           WHERE site = {site:String}
             AND window_start >= toDateTime({from:Date}, {zone:String})
             AND window_start < toDateTime({to:Date}, {zone:String})
           GROUP BY day) AS numbers USING (day)
ORDER BY day
