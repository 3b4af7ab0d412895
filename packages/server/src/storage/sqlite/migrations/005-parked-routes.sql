-- A parked shard may wait for any of several routes: a JSON list instead of one.
ALTER TABLE shard RENAME COLUMN parked_route TO parked_routes;
UPDATE shard SET parked_routes = json_array(parked_routes) WHERE parked_routes IS NOT NULL;
