-- How much went on in the whole period, how wide is the noise of a sum, and how many goals are declared?
SELECT sum(views) AS views, sum(visits) AS visits, sum(new_day) AS visitors, sum(bounces) AS bounces, sum(duration_s) AS duration_s, sum(engaged_s) AS engaged_s, sum(new_ever) AS new_visitors, sum(count_only_views) AS count_only_views,
       max(length(goals)) AS goals_declared,
       (SELECT sqrt(sum(sigma * sigma)) FROM publications
        WHERE site = {site:String}
          AND window_start >= toDateTime({from:Date}, {zone:String})
          AND window_start < toDateTime({to:Date}, {zone:String})) AS noise
FROM site
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
