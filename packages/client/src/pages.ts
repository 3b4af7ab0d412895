/** The part of a list answer that paging needs. */
interface Page<Item> {
  readonly data: readonly Item[];
}

/**
 * All items of a paged list, one page in memory at a time. An item that moves to the next page because a newer one arrived meanwhile
 * is not given twice.
 */
export async function* allPages<Item extends { readonly id: string }>(
  pageSize: number,
  fetchPage: (page: number) => Promise<Page<Item>>,
): AsyncGenerator<Item, void, undefined> {
  let before = new Set<string>();
  for (let page = 0; ; page += 1) {
    const { data } = await fetchPage(page);
    for (const item of data) if (!before.has(item.id)) yield item;
    if (data.length < pageSize) return;
    before = new Set(data.map((item) => item.id));
  }
}
