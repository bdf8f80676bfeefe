"""The shop's pages."""

import bottle
import waitress

app = bottle.Bottle()
PAGE = bottle.SimpleTemplate("""<h1>Books</h1>
<ul>
% for book in books:
  <li>{{book}}</li>
% end
</ul>""")


@app.get("/")
def index():
    return PAGE.render(books=[f"Book {number}" for number in range(50)])


if __name__ == "__main__":
    waitress.serve(app, host="0.0.0.0", port=8080, threads=4)
