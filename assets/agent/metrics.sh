# Picks the lines that may hold metrics out of files. Standard input: the most bytes of one file, then a line for each file,
# parted by tabs: a word of the asker's, the offset of the first byte, 1 when the file is whole (its last line counts without a
# line feed), how it is sent, the path, and where else the file is when there is no such folder; then an empty line. How: 0 all
# lines, 1 lines that look like metrics, 2 bytes, 3 the path is a pattern and the files that fit it are named.
# Output: `L WORD LINE` for each line, `B WORD HEX` for sixteen bytes, `O WORD OFFSET SIZE` behind those of a file (of bytes, the offset
# where they begin), `R WORD` before them when it has become shorter; `F WORD PATH` for a file that fits.
exec 2>/dev/null
printf '\nOSTLER-DATA 1\n'
IFS= read -r most || exit 0
tab=$(printf '\t')
while IFS=$tab read -r word offset whole picks path other; do
	[ -n "$word" ] || break
	[ -z "$other" ] || [ -d "${path%/*}" ] || path=$other
	if [ "$picks" = 3 ]; then
		# Without a separator nothing is parted, and the pattern is still filled in.
		IFS=
		for file in $path; do
			[ -f "$file" ] && printf 'F %s %s\n' "$word" "$file"
		done
		unset IFS
		continue
	fi
	[ -f "$path" ] || continue
	size=$(($(wc -c < "$path") + 0))
	if [ "$size" -lt "$offset" ]; then
		offset=0
		printf 'R %s\n' "$word"
	fi
	bytes=$((size - offset))
	[ "$bytes" -le "$most" ] || { bytes=$most && whole=0; }
	[ "$bytes" -gt 0 ] || continue
	if [ "$picks" = 2 ]; then
		tail -c +$((offset + 1)) "$path" | head -c "$bytes" | od -An -v -tx1 | tr -d ' ' | sed "s/^/B $word /"
		printf 'O %s %s %s\n' "$word" "$offset" "$size"
		continue
	fi
	tail -c +$((offset + 1)) "$path" | head -c "$bytes" | LC_ALL=C awk -v word="$word" -v bytes="$bytes" -v offset="$offset" \
		-v size="$size" -v most="$most" -v whole="$whole" -v picks="$picks" '
		function pick(line) {
			sub(/\r$/, "", line)
			# Of a bar that is drawn over and over the last state counts.
			sub(/.*\r/, "", line)
			if (length(line) > 16000) return
			if (picks != 1 || line ~ /[=:][ \t]*[-+.0-9nNiI]/ || line ~ /^[ \t]*[0-9]+[ \t]+[-+.0-9]/ || line ~ /^[ \t]*epoch/ || line ~ /[Ee]poch|[Ss]tep|[Ii]ter/)
				print "L " word " " line
		}
		{
			n = length($0) + 1
			if (sum + n > bytes) {
				# Its line feed is still to come.
				if (whole == 1) { sum = bytes; pick($0) }
				exit
			}
			sum += n
			pick($0)
		}
		END {
			# One line longer than all that is read at once is passed over.
			if (sum == 0 && bytes >= most) sum = bytes
			printf "O %s %.0f %.0f\n", word, offset + sum, size
		}'
done
