# Parses Authentication-Results fields, a JSON list on standard input, with the
# authres package, and writes what it understood.
import json, sys
import authres

out = []
for field in json.load(sys.stdin):
    try:
        h = authres.AuthenticationResultsHeader.parse(field)
        out.append({"id": h.authserv_id, "results": [
            {"method": r.method, "result": r.result, "reason": r.reason or "",
             "props": [[p.type, p.name, p.value] for p in r.properties]} for r in h.results]})
    except Exception as e:
        out.append({"error": repr(e)})
json.dump(out, sys.stdout)
